"""A device on MQTT: connect over TLS, publish and know that it arrived, subscribe."""

from __future__ import annotations

import json
import queue
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

if TYPE_CHECKING:
    from localcloud.process import LocalCloud


class Device:
    """One MQTT client with the client id of a thing, connected as long as the ``with`` block.

    Args:
        client_id: MQTT client id, on AWS by custom the thing's name.
        port: port of MQTT over TLS.
        ca_pem: file with the CA certificate to trust.
        host: name of the broker, as its certificate has it.
        timeout: seconds to wait for any answer of the broker. A busy machine is slow, and only a
            failure takes all of it.

    Raises:
        TimeoutError: the broker did not answer in time.
        ConnectionRefusedError: the broker refused the connection.
    """

    def __init__(
        self,
        client_id: str,
        port: int,
        ca_pem: Path,
        host: str = "localhost",
        timeout: float = 180.0,
    ) -> None:
        self.client_id = client_id
        self._address = (host, port)
        self._timeout = timeout
        self._connected = threading.Event()
        self._refused: ReasonCode | None = None
        self._subscribed: queue.Queue[int] = queue.Queue()
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        """Topic and payload of each message that a subscription brought."""
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id)
        client.connect_timeout = timeout  # of each step, the TLS handshake included: 5 s otherwise
        client.tls_set(str(ca_pem), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        self._client = client

    @classmethod
    def of(cls, cloud: LocalCloud, client_id: str) -> Self:
        """Make a device of a running local cloud."""
        return cls(client_id, cloud.mqtt_port, cloud.ca_pem)

    def __enter__(self) -> Self:
        self._client.connect(*self._address)
        self._client.loop_start()
        if not self._connected.wait(self._timeout):
            self.close()
            raise TimeoutError(f"no answer from the MQTT broker at {self._address}")
        if self._refused is not None:
            self.close()
            raise ConnectionRefusedError(f"the MQTT broker refused: {self._refused}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        # Left to the garbage collector, which may take the sockets before who would close them.
        self._client._reset_sockets(sockpair_only=True)  # noqa: SLF001

    def publish(self, topic: str, message: Any, timeout: float | None = None) -> None:
        """Publish with QoS 1 and wait for the broker's PUBACK.

        Args:
            topic: MQTT topic.
            message: bytes as they are, anything else as JSON.
            timeout: seconds to wait; None is the device's own.

        Raises:
            TimeoutError: no PUBACK in time.
        """
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        sent = self._client.publish(topic, payload, qos=1)
        sent.wait_for_publish(timeout or self._timeout)
        if not sent.is_published():
            raise TimeoutError(f"the MQTT broker did not acknowledge a message on {topic}")

    def subscribe(self, topic_filter: str) -> None:
        """Subscribe with QoS 1 and wait until it holds; messages go to ``messages``.

        Raises:
            TimeoutError: the broker did not answer in time.
        """
        self._client.subscribe(topic_filter, qos=1)
        try:
            self._subscribed.get(timeout=self._timeout)
        except queue.Empty:
            raise TimeoutError(f"the MQTT broker did not confirm {topic_filter}") from None

    def receive(self, timeout: float | None = None) -> tuple[str, Any]:
        """Return the next message as topic and decoded JSON (bytes if it is not JSON).

        Raises:
            TimeoutError: none came in time.
        """
        try:
            topic, payload = self.messages.get(timeout=timeout or self._timeout)
        except queue.Empty:
            raise TimeoutError(f"no message for {self.client_id}") from None
        try:
            return topic, json.loads(payload)
        except ValueError:
            return topic, payload

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refused = reason
        self._connected.set()

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: Any,
        message_id: int,
        _reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        self._subscribed.put(message_id)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        self.messages.put((message.topic, bytes(message.payload)))
