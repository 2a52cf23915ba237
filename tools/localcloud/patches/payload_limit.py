"""The limit of 128 KB for a message's payload.

AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html#message-broker-limits : the
broker refuses a larger publish, over MQTT by closing the connection, over HTTPS with 413.

MiniStack 1.5.33: takes up to 16 MB.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot, iot_data

from localcloud.patches.patch import around

MAXIMUM_BYTES = 128 * 1024


def install() -> None:
    """Make MiniStack's broker and its HTTPS endpoint refuse larger payloads."""

    @around(iot._WSSession, "handle_packet")
    async def handle(original: Any, session: Any, kind: int, flags: int, body: bytes) -> bool:
        if kind == iot.PKT_PUBLISH and _payload_bytes(session, flags, body) > MAXIMUM_BYTES:
            iot._broker_logger.warning("IoT broker: PUBLISH of more than 128 KB refused")
            return False
        return bool(await original(session, kind, flags, body))

    @around(iot_data, "_publish")
    async def publish(original: Any, topic: str, body: bytes, *arguments: Any) -> Any:
        if len(body) > MAXIMUM_BYTES:
            message = f"The payload is larger than {MAXIMUM_BYTES} bytes"
            return error_response_json("RequestEntityTooLargeException", message, 413)
        return await original(topic, body, *arguments)


def _payload_bytes(session: Any, flags: int, body: bytes) -> int:
    _, offset = iot._read_string(body, 0)
    if flags & 0x06:  # QoS 1 or 2: a packet identifier follows the topic
        offset += 2
    if session.protocol_version == iot.MQTT_5:
        _, offset = iot._decode_properties(body, offset)
    return len(body) - int(offset)
