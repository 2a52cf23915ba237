"""``fleet-retry redrive``: each dead letter is told, and goes on its way once."""

import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from fleet_retry import dead_letters, undelivered
from fleet_retry.cli import app
from fleet_retry.dead_letters import RedriveOutcome, read
from fleet_retry.deployment import Deployment

REGION = "eu-west-1"
MESSAGE = {"deviceId": "pump-1", "timestamp": "1711320208793", "status": "failed", "FW": "2.27"}
SENT = 1711320300000


def intake_letter(message: Any = MESSAGE) -> str:
    failure = {"Error": "RequestRefusedError", "Cause": '{"errorMessage":\n"denied"}'}
    return json.dumps({"execution": "arn:…", "failure": failure, "message": message})


def rule_letter(
    payload: bytes,
    rule: str = "FailedFirmwareUpdateRule",
    actions: Sequence[str] = ("StepFunctionsAction",),
) -> str:
    failures = [{"failedAction": action, "errorMessage": "throttled"} for action in actions]
    return json.dumps(
        {
            "ruleName": rule,
            "topic": "iot/pump-2/data",
            "clientId": "pump-3",
            "base64OriginalPayload": base64.b64encode(payload).decode(),
            "failures": failures,
        }
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A deployment as far as redriving needs one."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        boto3.client("sqs").create_queue(QueueName="FailedFirmwareUpdateDeadLetters")
        boto3.client("stepfunctions").create_state_machine(
            name="FirmwareUpdateStateMachine",
            definition='{"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}',
            roleArn="arn:aws:iam::123456789012:role/any",
        )
        yield Deployment()


def reason_sql(source: str, key: str) -> str:
    """A field as the rules select it."""
    name = key if key == "reason" else f"reason_{key.replace('-', '_')}"
    line = f"regexp_replace(get({source}, '{key}'), '[^ -~]', ' ')"
    return f"regexp_substr({line}, '^.{{1,1000}}') AS {name}"


def create_rule(device_id: str) -> None:
    checked = f"CASE cast(regexp_matches({device_id}, '[^a-z]') AS String) WHEN 'false' THEN"
    sql = (
        "SELECT CASE status WHEN 'failed' THEN 'failed' WHEN 'timed out' THEN 'failed' ELSE"
        " 'unclear' END AS kind, 'device' AS reportedBy,"
        f" {checked} {device_id} ELSE '[refused]' END AS deviceId,"
        " timestamp AS timestamp, status AS status,"
        f" {reason_sql('*', 'reason')}, {reason_sql('*', 'a-1')} FROM 'iot/+/data'"
    )
    boto3.client("iot").create_topic_rule(
        ruleName="FailedFirmwareUpdateRule", topicRulePayload={"sql": sql, "actions": []}
    )


def put(deployment: Deployment, *letters: str) -> None:
    for letter in letters:
        deployment.client("sqs").send_message(
            QueueUrl=deployment.dead_letter_queue_url, MessageBody=letter
        )


def count_left(deployment: Deployment) -> int:
    answer = deployment.client("sqs").get_queue_attributes(
        QueueUrl=deployment.dead_letter_queue_url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(map(int, answer["Attributes"].values()))


def list_started(deployment: Deployment) -> list[Any]:
    states = deployment.client("stepfunctions")
    runs = states.list_executions(stateMachineArn=deployment.intake_state_machine_arn)
    return [
        json.loads(states.describe_execution(executionArn=run["executionArn"])["input"])
        for run in runs["executions"]
    ]


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["redrive", *arguments])
    return result.exit_code, result.output


def test_what_the_intake_gave_up_starts_it_again(aws: Deployment) -> None:
    put(aws, intake_letter())
    code, output = run()
    assert (code, list_started(aws), count_left(aws)) == (0, [MESSAGE], 0)
    assert 'pump-1  redriven  RequestRefusedError: {"errorMessage": "denied"}' in output


@pytest.mark.parametrize(
    ("source", "device"),
    [("get(*, '_id_')", "pump-1"), ("topic(2)", "pump-2"), ("clientid()", "pump-3")],
)
def test_what_a_rule_could_not_start_is_made_as_the_rule_makes_it(
    aws: Deployment, source: str, device: str
) -> None:
    create_rule(source)
    payload: dict[str, Any] = {
        "_id_": "pump-1",
        "timestamp": "7",
        "status": "failed",
        "eventId": "x",
    }
    payload |= {"reason": "flash", "a-1": 7, "statusDetails": {"reason": "not looked at"}}
    letter = read(aws.client("iot"), rule_letter(json.dumps(payload).encode()), SENT)
    assert letter.why == "StepFunctionsAction: throttled"
    assert letter.message == {
        "kind": "failed",
        "reportedBy": "device",
        "deviceId": device,
        "timestamp": "7",
        "status": "failed",
        "reason": "flash",
        "reason_a_1": 7,
        "topic": "iot/pump-2/data",
        "clientId": "pump-3",
        "receivedAt": SENT,
    }


def test_an_event_of_aws_iot_jobs_is_made_as_its_rule_makes_it(aws: Deployment) -> None:
    sql = (
        "SELECT 'failed' AS kind, 'jobs' AS reportedBy, regexp_substr(thingArn, '[^/]+$') AS"
        " deviceId, eventId AS eventId, timestamp AS timestamp, jobId AS jobId,"
        " status AS status, "
        + ", ".join(reason_sql("statusDetails", key) for key in ("reason", "stderr", "a-1", "gone"))
        + " FROM '$aws/events/jobExecution/+/failed'"
    )
    boto3.client("iot").create_topic_rule(
        ruleName="FirmwareJobFailedRule", topicRulePayload={"sql": sql, "actions": []}
    )
    event = {
        "eventId": "7364ffd1",
        "timestamp": 1711320208,
        "jobId": "job-1",
        "thingArn": "arn:aws:iot:eu-west-1:123456789012:thing/pump:1",
        "status": "FAILED",
        "statusDetails": {"reason": "flash", "stderr": "no\nspace", "a-1": 7, "secret": "x"},
    }
    letter = read(
        aws.client("iot"), rule_letter(json.dumps(event).encode(), "FirmwareJobFailedRule"), SENT
    )
    assert letter.message == {
        "kind": "failed",
        "reportedBy": "jobs",
        "deviceId": "pump:1",
        "eventId": "7364ffd1",
        "timestamp": 1711320208,
        "jobId": "job-1",
        "status": "FAILED",
        "reason": "flash",
        "reason_stderr": "no\nspace",
        "reason_a_1": 7,
        "topic": "iot/pump-2/data",
        "clientId": "pump-3",
        "receivedAt": SENT,
    }


def test_what_was_no_message_is_told_and_taken_out(aws: Deployment) -> None:
    create_rule("get(*, '_id_')")
    put(aws, rule_letter(b"\xff\xfenot json"))
    code, output = run()
    assert (code, list_started(aws), count_left(aws)) == (0, [], 0)
    assert "nothing to count" in output


@pytest.mark.parametrize("letter", ["not json", "[]", "{}", '{"message": {}}'])
def test_what_cannot_be_read_stays_and_says_so(aws: Deployment, letter: str) -> None:
    put(aws, letter)
    code, output = run()
    assert (code, count_left(aws)) == (1, 1)
    assert "not a letter of this module" in output


def test_a_message_that_only_was_not_logged_is_not_counted_again(aws: Deployment) -> None:
    create_rule("get(*, '_id_')")
    payload = json.dumps({"_id_": "pump-1", "status": "failed"}).encode()
    put(aws, rule_letter(payload, actions=["CloudwatchLogsAction"]))
    assert run()[1].startswith("pump-1  counted already  CloudwatchLogsAction: throttled")
    assert (list_started(aws), count_left(aws)) == ([], 0)
    put(aws, rule_letter(payload, actions=["StepFunctionsAction", "CloudwatchLogsAction"]))
    assert "pump-1  redriven" in run()[1]


def test_a_dry_run_changes_nothing(aws: Deployment) -> None:
    put(aws, intake_letter())
    code, output = run("--dry-run")
    assert (code, list_started(aws), count_left(aws)) == (0, [], 1)
    assert "nothing was changed" in output


def test_what_a_dry_run_has_shown_can_be_redriven_at_once(aws: Deployment) -> None:
    put(aws, intake_letter(), intake_letter())
    run("--dry-run")
    code, output = run()
    assert (code, len(list_started(aws)), count_left(aws)) == (0, 2, 0)
    assert output.splitlines()[-1] == "2 redriven"


def test_most_is_most(aws: Deployment) -> None:
    put(aws, intake_letter(), intake_letter(), intake_letter())
    code, _ = run("--most", "2")
    assert (code, len(list_started(aws)), count_left(aws)) == (0, 2, 1)


def test_an_empty_queue_is_said(aws: Deployment) -> None:
    assert run() == (0, "There is no dead letter.\n")


def test_a_module_that_is_not_there_says_what_to_do(aws: Deployment) -> None:
    code, output = run("--prefix", "fleet-b-")
    assert code == 2
    assert "no queue fleet-b-FailedFirmwareUpdateDeadLetters in eu-west-1" in output
    assert "--prefix" in output


def test_what_a_sender_wrote_cannot_play_with_the_terminal(aws: Deployment) -> None:
    create_rule("get(*, '_id_')")
    payload = {"_id_": "\x1b[2Jpump\n" + "x" * 500, "timestamp": "7", "status": "failed"}
    put(aws, rule_letter(json.dumps(payload).encode()))
    _, output = run("--dry-run")
    assert output.splitlines()[0].startswith("\\x1b[2Jpump\\nxxx")
    assert len(output.splitlines()[0]) < 250


# Many letters


@dataclass
class Queue:
    """SQS, as far as redriving needs it, with its rules on who sees a message when.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html
    """

    clock: float = 0.0
    """Seconds. Every call takes 20 ms."""
    bodies: dict[str, str] = field(default_factory=dict)
    visible_at: dict[str, float] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    """Of each message the last one, which alone is valid."""
    lock: Any = field(default_factory=threading.Lock)

    def put(self, body: str) -> None:
        name = f"m{len(self.bodies) + 10_000}"
        self.bodies[name] = body
        self.visible_at[name] = self.clock

    def list_visible(self) -> list[str]:
        """Return the messages that a consumer would receive now."""
        return [name for name, at in self.visible_at.items() if at <= self.clock]

    def get_queue_url(self, **asked: Any) -> Any:
        return {"QueueUrl": asked["QueueName"]}

    def get_queue_attributes(self, **_: Any) -> Any:
        with self.lock:
            return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.visible_at))}}

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        assert 1 <= asked["MaxNumberOfMessages"] <= 10
        with self.lock:
            self.clock += 0.02
            names = self.list_visible()[: asked["MaxNumberOfMessages"]]
            for name in names:
                self.visible_at[name] = self.clock + asked["VisibilityTimeout"]
                self.receipts[name] = f"{name} at {self.clock}"
            return {"Messages": [self._message(name) for name in names]} if names else {}

    def _message(self, name: str) -> dict[str, Any]:
        receipt, body = self.receipts[name], self.bodies[name]
        sent = {"SentTimestamp": str(SENT)}
        return {"MessageId": name, "ReceiptHandle": receipt, "Body": body, "Attributes": sent}

    def delete_message_batch(self, **asked: Any) -> Any:
        return self._each(asked["Entries"], lambda name, _: self.visible_at.pop(name))

    def change_message_visibility_batch(self, **asked: Any) -> Any:
        return self._each(asked["Entries"], self._change)

    def _change(self, name: str, entry: Any) -> None:
        self.visible_at[name] = self.clock + entry["VisibilityTimeout"]

    def _each(self, entries: list[Any], do: Callable[[str, Any], Any]) -> Any:
        assert 1 <= len(entries) <= 10
        with self.lock:
            self.clock += 0.02
            hidden = {
                self.receipts[name]: name for name, at in self.visible_at.items() if at > self.clock
            }
            good = [entry for entry in entries if entry["ReceiptHandle"] in hidden]
            for entry in good:
                do(hidden[entry["ReceiptHandle"]], entry)
            bad = [
                {"Id": entry["Id"], "Code": "MessageNotInflight"}
                for entry in entries
                if entry not in good
            ]
            return {"Successful": [{"Id": entry["Id"]} for entry in good], "Failed": bad}


@dataclass
class States:
    """Step Functions: notes what was started."""

    queue: Queue
    then: Callable[[str], object] = lambda _: None
    names: list[str] = field(default_factory=list)

    def start_execution(self, name: str, **_: Any) -> None:
        with self.queue.lock:
            self.queue.clock += 0.02
        self.then(name)
        self.names.append(name.removeprefix("redrive-"))


@dataclass
class Storm:
    """What a storm left in the queue."""

    queue: Queue
    states: States

    def add_letters(self, letters: int, unreadable: int = 0) -> None:
        for number in range(letters):
            is_bad = number < unreadable
            self.queue.put("not json" if is_bad else intake_letter())

    def redrive(self, **options: Any) -> Counter[RedriveOutcome]:
        return Counter(self.outcomes(**options))

    def outcomes(self, **options: Any) -> Iterator[RedriveOutcome]:
        clients = {"sqs": self.queue, "stepfunctions": self.states, "iot": None}
        deployment = Deployment(_clients=clients)
        deployment._state_machine_arns = {"FirmwareUpdateStateMachine": "arn"}
        return (outcome for _, outcome in dead_letters.redrive(deployment, **options))


@pytest.fixture
def storm() -> Storm:
    queue = Queue()
    return Storm(queue, States(queue))


def test_of_many_letters_all_are_redriven_but_those_that_cannot_be_read(storm: Storm) -> None:
    storm.add_letters(2000, unreadable=1)
    assert storm.redrive() == {RedriveOutcome.REDRIVEN: 1999, RedriveOutcome.UNREADABLE: 1}
    assert len(set(storm.states.names)) == 1999
    assert list(storm.queue.visible_at) == storm.queue.list_visible() == ["m10000"]


def test_a_dry_run_shows_them_all_and_leaves_them_for_who_comes_next(storm: Storm) -> None:
    storm.add_letters(2000)
    assert storm.redrive(dry_run=True) == {RedriveOutcome.REDRIVEN: 2000}
    assert storm.states.names == []
    assert len(storm.queue.list_visible()) == 2000


def test_what_shows_again_meanwhile_is_told_once_and_stops_nothing(
    storm: Storm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "_HIDDEN_SECONDS", 3)
    storm.add_letters(500, unreadable=25)
    assert storm.redrive() == {RedriveOutcome.REDRIVEN: 475, RedriveOutcome.UNREADABLE: 25}
    assert len(storm.queue.list_visible()) == 25


def test_who_is_slow_receives_what_shows_again_and_goes_on_all_the_same(storm: Storm) -> None:
    storm.add_letters(200, unreadable=80)
    seen: Counter[RedriveOutcome] = Counter()
    for outcome in storm.outcomes():
        seen[outcome] += 1
        if seen.total() == 80:
            storm.queue.clock += 2 * 3600
    assert seen == {RedriveOutcome.REDRIVEN: 120, RedriveOutcome.UNREADABLE: 80}


def test_what_fails_again_does_not_go_round_and_round(storm: Storm) -> None:
    def fail_again(_: str) -> None:
        assert len(storm.queue.bodies) <= 200
        storm.queue.put(intake_letter())

    storm.states.then = fail_again
    storm.add_letters(100)
    assert storm.redrive() == {RedriveOutcome.REDRIVEN: 100}
    assert len(storm.queue.list_visible()) == 100


def test_several_are_started_at_once(storm: Storm) -> None:
    barrier = threading.Barrier(8)
    storm.states.then = lambda _: barrier.wait(180)
    storm.add_letters(160)
    assert storm.redrive() == {RedriveOutcome.REDRIVEN: 160}


def test_when_one_cannot_be_started_all_that_are_left_show_again_at_once(storm: Storm) -> None:
    def refuse_one(name: str) -> None:
        if name.endswith("77"):
            raise PermissionError(name)

    storm.states.then = refuse_one
    storm.add_letters(200)
    with pytest.raises(PermissionError):
        storm.redrive()
    assert "m10077" in storm.queue.list_visible()
    assert storm.queue.list_visible() == list(storm.queue.visible_at)
    assert {*storm.states.names, *storm.queue.list_visible()} == set(storm.queue.bodies)


def test_what_is_left_is_said(aws: Deployment) -> None:
    put(aws, intake_letter(), intake_letter(), intake_letter())
    _, output = run("--most", "2")
    assert output.splitlines()[-2:] == [
        "2 redriven",
        "About 1 more are in the queue. What another redrive has taken shows again within an hour.",
    ]


def create_queues_of_alerts(*alerts: tuple[str, str]) -> dict[str, Any]:
    """The operators' queue and the one behind it, which holds alerts of devices; the URLs."""
    sqs = boto3.client("sqs")
    urls = {
        name: sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
        for name in (undelivered.QUEUE, undelivered.OPERATORS_QUEUE)
    }
    for number, (device, body) in enumerate(alerts):
        sqs.send_message(
            QueueUrl=urls[undelivered.QUEUE],
            MessageBody=body,
            MessageGroupId=device,
            MessageDeduplicationId=str(number),
        )
    return urls


def test_alerts_that_sns_could_not_deliver_go_to_the_queue_of_the_e_mail(aws: Deployment) -> None:
    urls = create_queues_of_alerts(("pump-1", "failed"), ("pump-2", "failed"), ("pump-1", "healed"))
    result = CliRunner().invoke(app, ["redrive"])
    assert result.exit_code == 0
    assert "3 alert(s) that SNS could not deliver are in the next e-mail." in result.output
    got = aws.client("sqs").receive_message(
        QueueUrl=urls[undelivered.OPERATORS_QUEUE],
        MaxNumberOfMessages=10,
        AttributeNames=["MessageGroupId"],
    )["Messages"]
    alerts = [(message["Attributes"]["MessageGroupId"], message["Body"]) for message in got]
    assert [body for device, body in alerts if device == "pump-1"] == ["failed", "healed"]
    assert len(alerts) == 3
    assert undelivered.count_waiting(aws) == 0
    assert "alert(s)" not in CliRunner().invoke(app, ["redrive"]).output


def test_a_dry_run_counts_alerts_and_leaves_them(aws: Deployment) -> None:
    create_queues_of_alerts(("pump-1", "failed"))
    result = CliRunner().invoke(app, ["redrive", "--dry-run"])
    assert "About 1 alert(s) wait that SNS could not deliver." in result.output
    assert undelivered.count_waiting(aws) == 1


def test_an_alert_that_the_queue_of_the_e_mail_does_not_take_stays(aws: Deployment) -> None:
    urls = create_queues_of_alerts(("pump-1", "failed"))
    boto3.client("sqs").delete_queue(QueueUrl=urls[undelivered.OPERATORS_QUEUE])
    assert CliRunner().invoke(app, ["redrive"]).exit_code != 0
    hidden = boto3.client("sqs").get_queue_attributes(
        QueueUrl=urls[undelivered.QUEUE], AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )
    assert hidden["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}
