"""What people do to the things, and what the registry should have in the end because of it."""

from collections.abc import Callable, Iterable, Mapping

from simulator.aws.iot import IoT
from simulator.trace import Trace


class People:
    """Whoever else works on the registry. Their changes take effect at once, without faults."""

    def __init__(self, iot: IoT, trace: Trace, now: Callable[[], float]) -> None:
        self._iot = iot
        self._trace = trace
        self._now = now
        self._wanted: dict[str, dict[str, str]] = {}
        self._made_at: dict[str, float] = {}
        self._overruled: dict[str, set[str]] = {}
        self.vanished: set[str] = set()
        """Things that did not exist at some time."""

    def create(self, name: str, attributes: Mapping[str, str]) -> None:
        """Makes a thing."""
        self._did("creates", name, attributes)
        self._iot.create_thing(
            {"thingName": name, "attributePayload": {"attributes": dict(attributes)}}
        )
        self._wanted[name] = dict(attributes)
        self._made_at[name] = self._now()
        self._overruled[name] = set()

    def change(self, name: str, attribute: str, value: str) -> None:
        """Sets an attribute of a thing, or removes it (an empty value)."""
        self._did("changes", name, attribute, value)
        self._iot.update_thing(
            {
                "thingName": name,
                "attributePayload": {"attributes": {attribute: value}, "merge": True},
            }
        )
        self._wanted[name][attribute] = value
        if not value:
            del self._wanted[name][attribute]
        self._overruled[name].discard(attribute)

    def delete(self, name: str) -> None:
        """Deletes a thing."""
        self._did("deletes", name)
        self._iot.delete_thing({"thingName": name})
        self.vanished.add(name)

    def take_out(self, name: str, group: str) -> None:
        """Takes a thing out of a static group, in the console, say."""
        self._did("takes out", name, group)
        self._iot.remove_thing_from_thing_group({"thingName": name, "thingGroupName": group})

    def overruled(self, name: str, attributes: Iterable[str]) -> None:
        """The package changed these attributes after people had set them."""
        self._overruled[name].update(attributes)

    def wanted(self, name: str) -> Mapping[str, str]:
        """The attributes of a thing as people set them last."""
        return self._wanted[name]

    def is_overruled(self, name: str, attribute: str) -> bool:
        """Whether the package changed an attribute last."""
        return attribute in self._overruled[name]

    def has_lasted(self, name: str, seconds: float) -> bool:
        """Whether a thing has been there for some time."""
        return name in self._iot.things and self._now() - self._made_at[name] >= seconds

    def _did(self, what: str, *details: object) -> None:
        self._trace.add(self._now(), "person", what, *details)
