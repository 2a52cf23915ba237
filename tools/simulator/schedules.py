"""The scheduled functions, ReconcileDevices and MailOperators.

Both run on their schedule for as long as they could find something to do. Runs in between would
find nothing and are left out.
"""

from firmware_retry.record import State
from simulator.account import Account
from simulator.aws.values import Item
from simulator.functions import Call, Functions
from simulator.options import FAILED_GROUP, RETRIES, Options
from simulator.scheduler import Scheduler

RECONCILE_SECONDS = 900.0
MAIL_SECONDS = 300.0
WRITES = frozenset({"update_item", "put_item", "delete_item", "transact_write_items"})
"""The operations of DynamoDB that write."""


class Schedules:
    """When ReconcileDevices and MailOperators run."""

    def __init__(
        self, account: Account, functions: Functions, scheduler: Scheduler, options: Options
    ) -> None:
        self._account = account
        self._functions = functions
        self._scheduler = scheduler
        self._options = options
        self._start = scheduler.now
        self._is_reconciling = False
        self._is_mailing = False
        # Whether the circuit breaker may find a campaign that it did not find before.
        self._is_breaker_due = False
        # Until when ReconcileDevices may find a stray: the episode of its old name has to end.
        self._strays_until = 0.0
        account.alert_queue.on_arrival = self._begin_mailing

    def follow(self, call: Call) -> None:
        """Schedule ReconcileDevices after a write of the package, if the record then needs it."""
        if call.intent is None or call.operation not in WRITES:
            return
        function, (record, *_) = call.intent
        if function == "claim":
            self._expect_breaker()
        self.care_for(record.device_id)

    def care_for(self, device: str) -> None:
        """Schedule ReconcileDevices if it could find something to do for a device."""
        item = self._account.dynamodb.tables[RETRIES].items.get((device,))
        if item is not None and self._due_at(item) is not None:
            self._begin_reconciling()

    def expect_strays(self) -> None:
        """Schedule ReconcileDevices for some passes: it may find a renamed thing."""
        self._strays_until = self._scheduler.now + 4 * RECONCILE_SECONDS
        self._begin_reconciling()

    def _expect_breaker(self) -> None:
        """Schedule ReconcileDevices after a used-up cycle: it may find a bad campaign."""
        self._is_breaker_due = self._options.breaker is not None
        if self._is_breaker_due:
            self._begin_reconciling()

    def _begin_reconciling(self) -> None:
        if not self._is_reconciling:
            self._is_reconciling = True
            self._schedule_reconcile()

    def _due_at(self, item: Item) -> float | None:
        """Return when ReconcileDevices could find something to do for a record, None if never."""
        now = self._scheduler.now
        if "ending" in item:
            return now
        if "dueAt" in item:
            return float(item["dueAt"]["N"])
        state = item.get("state", {}).get("S")
        if state == State.FAILED:
            is_released = item["deviceId"]["S"] not in self._account.iot.groups[FAILED_GROUP]
            return now if is_released or self._is_of_former_group(item) else None
        if state != State.TRACKING:
            return None
        counted = item.get("RetryCounter", {"N": "0"})  # a broken write may have left none
        is_full = int(counted["N"]) >= self._options.retry_limit
        return now if is_full or "isFatal" in item else None

    def _is_of_former_group(self, item: Item) -> bool:
        group_id = self._account.iot.group_ids.get(FAILED_GROUP, FAILED_GROUP)
        return bool(item.get("failedGroupId", {}).get("S") != group_id)

    def _schedule_reconcile(self) -> None:
        items = self._account.dynamodb.tables[RETRIES].items.values()
        times = [self._due_at(item) for item in items]
        if self._is_breaker_due or self._scheduler.now < self._strays_until:
            times.append(self._scheduler.now)
        due = min((time for time in times if time is not None), default=None)
        if due is None:
            self._is_reconciling = False
            return
        next_run = self._next_run(max(due, self._scheduler.now), RECONCILE_SECONDS)
        self._scheduler.at(next_run, self._reconcile)

    def _next_run(self, moment: float, period: float) -> float:
        return self._start + ((moment - self._start) // period + 1) * period

    def _reconcile(self) -> None:
        self._is_breaker_due = False
        self._functions.invoke("ReconcileDevices", {}, lambda error, result: None)
        self._schedule_reconcile()

    def _begin_mailing(self) -> None:
        if not self._is_mailing:
            self._is_mailing = True
            self._schedule_mail()

    def _schedule_mail(self) -> None:
        self._scheduler.at(self._next_run(self._scheduler.now, MAIL_SECONDS), self._mail)

    def _mail(self) -> None:
        if not self._account.alert_queue.messages:
            self._is_mailing = False
            return
        self._functions.invoke("MailOperators", {}, lambda error, result: None)
        self._schedule_mail()
