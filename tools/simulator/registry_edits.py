"""Edits of things by operators, and the attributes that the registry should have as a result."""

from collections.abc import Callable, Iterable, Mapping

from simulator.aws.iot import IoT
from simulator.trace import Trace


class RegistryEdits:
    """Edits of the registry by operators. They take effect immediately, without faults."""

    def __init__(self, iot: IoT, trace: Trace, now: Callable[[], float]) -> None:
        self._iot = iot
        self._trace = trace
        self._now = now
        self._expected: dict[str, dict[str, str]] = {}
        self._created_at: dict[str, float] = {}
        self._overwritten: dict[str, set[str]] = {}
        self.ever_missing: set[str] = set()
        """Things that did not exist at some time."""
        self.renamed: dict[str, Mapping[str, str]] = {}
        """Things that were created in place of another, and the attributes that they got."""

    def create(self, name: str, attributes: Mapping[str, str]) -> None:
        """Make a thing."""
        self._log("creates", name, attributes)
        self._iot.create_thing(
            {"thingName": name, "attributePayload": {"attributes": dict(attributes)}}
        )
        self._expected[name] = dict(attributes)
        self._created_at[name] = self._now()
        self._overwritten[name] = set()

    def change(self, name: str, attribute: str, value: str) -> None:
        """Set an attribute of a thing, or removes it (an empty value)."""
        self._log("changes", name, attribute, value)
        self._iot.update_thing(
            {
                "thingName": name,
                "attributePayload": {"attributes": {attribute: value}, "merge": True},
            }
        )
        self._expected[name][attribute] = value
        if not value:
            del self._expected[name][attribute]
        self._overwritten[name].discard(attribute)

    def delete(self, name: str) -> None:
        """Delete a thing."""
        self._log("deletes", name)
        self._iot.delete_thing({"thingName": name})
        self.ever_missing.add(name)

    def rename(self, name: str, new_name: str) -> None:
        """Create a thing with the present attributes of another one, and delete that."""
        attributes = self._iot.things[name].attributes
        self.create(new_name, attributes)
        self._expected[new_name] = dict(self._expected[name])
        self.renamed[new_name] = attributes
        self.delete(name)

    def take_out(self, name: str, group: str) -> None:
        """Take a thing out of a static group, in the console, say."""
        self._log("takes out", name, group)
        self._iot.remove_thing_from_thing_group({"thingName": name, "thingGroupName": group})

    def note_overwritten(self, name: str, attributes: Iterable[str]) -> None:
        """Note that the package changed attributes that operators had set."""
        self._overwritten[name].update(attributes)

    def expected_attributes(self, name: str) -> Mapping[str, str]:
        """Return the attributes of a thing as operators set them last."""
        return self._expected[name]

    def was_overwritten(self, name: str, attribute: str) -> bool:
        """Return whether the package changed an attribute last."""
        return attribute in self._overwritten[name]

    def has_existed_for(self, name: str, seconds: float) -> bool:
        """Return whether a thing has been there for some time."""
        return name in self._iot.things and self._now() - self._created_at[name] >= seconds

    def _log(self, what: str, *details: object) -> None:
        self._trace.add(self._now(), "person", what, *details)
