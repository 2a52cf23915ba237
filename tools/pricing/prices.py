"""List prices of AWS in us-east-1, US dollars, without free tiers and without discounts.

The one place for them: whoever wants the bill of another region writes other numbers here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

REGION = "us-east-1"
LOOKED_UP = "2026-11-24"
MILLION = 1_000_000
GB = 1_000_000_000
"""The smaller of the two that a gigabyte may mean: it makes the bill no lower than AWS's."""


@dataclass(frozen=True)
class Price:
    """What a number of units costs.

    Attributes:
        dollars: the price of ``per`` units.
        per: how many units AWS's page quotes the price for.
        unit: what is counted, as a reader knows it.
        service: whose bill it is on.
        page: where AWS says so.
    """

    dollars: float
    per: float
    unit: str
    service: str
    page: str

    @property
    def of_one(self) -> float:
        """Dollars for one unit."""
        return self.dollars / self.per


_STATES = ("Step Functions", "https://aws.amazon.com/step-functions/pricing/")
_LAMBDA = ("Lambda", "https://aws.amazon.com/lambda/pricing/")
_DYNAMODB = ("DynamoDB", "https://aws.amazon.com/dynamodb/pricing/on-demand/")
_IOT = ("IoT Core", "https://aws.amazon.com/iot-core/pricing/")
_IOT_MANAGEMENT = ("IoT Core", "https://aws.amazon.com/iot-device-management/pricing/")
_SNS = ("SNS", "https://aws.amazon.com/sns/pricing/")
_SQS = ("SQS", "https://aws.amazon.com/sqs/pricing/")
_SCHEDULER = ("Scheduler", "https://aws.amazon.com/eventbridge/pricing/")
_CLOUDWATCH = ("CloudWatch", "https://aws.amazon.com/cloudwatch/pricing/")

PRICES: Mapping[str, Price] = {
    "standard_transitions": Price(25.00, MILLION, "Standard transitions", *_STATES),
    "express_requests": Price(1.00, MILLION, "Express requests", *_STATES),
    # The first of three tiers, up to 1,000 GB-hours a month: 12 million runs of 300 ms and 64 MB.
    "express_gb_seconds": Price(0.06, 3600, "Express GB-seconds", *_STATES),
    "lambda_invocations": Price(0.20, MILLION, "Lambda invocations", *_LAMBDA),
    # arm64, which is the module's default; x86_64 is 0.0000166667.
    "lambda_gb_seconds": Price(0.0000133334, 1, "Lambda GB-seconds", *_LAMBDA),
    "write_units": Price(0.625, MILLION, "DynamoDB write units", *_DYNAMODB),
    "read_units": Price(0.125, MILLION, "DynamoDB read units", *_DYNAMODB),
    "rules_triggered": Price(0.15, MILLION, "IoT rules triggered", *_IOT),
    "rule_actions": Price(0.15, MILLION, "IoT rule actions", *_IOT),
    # Which calls are registry operations: https://aws.amazon.com/iot-core/pricing/additional-details/
    "registry_operations": Price(1.25, MILLION, "IoT registry operations", *_IOT),
    # Only where a fleet index is on, without which there are no dynamic thing groups.
    "index_updates": Price(2.25, MILLION, "IoT fleet index updates", *_IOT_MANAGEMENT),
    "fifo_publishes": Price(0.30, MILLION, "SNS FIFO publishes", *_SNS),
    "fifo_published_bytes": Price(0.017, GB, "SNS FIFO bytes published", *_SNS),
    "fifo_deliveries": Price(0.01, MILLION, "SNS FIFO deliveries", *_SNS),
    "fifo_delivered_bytes": Price(0.001, GB, "SNS FIFO bytes delivered", *_SNS),
    "publishes": Price(0.50, MILLION, "SNS publishes", *_SNS),
    "mails": Price(2.00, 100_000, "SNS mails", *_SNS),
    "fifo_queue_requests": Price(0.50, MILLION, "SQS FIFO requests", *_SQS),
    "schedule_invocations": Price(1.00, MILLION, "Scheduler invocations", *_SCHEDULER),
    "log_bytes": Price(0.50, GB, "log bytes", *_CLOUDWATCH),
    # A month each: an alarm by the metrics that it looks at, a metric that has data all the time.
    "alarm_months": Price(0.10, 1, "metrics under alarm, a month", *_CLOUDWATCH),
    "metric_months": Price(0.30, 1, "custom metrics, a month", *_CLOUDWATCH),
    "dashboard_months": Price(3.00, 1, "dashboards, a month", *_CLOUDWATCH),
    "table_gb_months": Price(0.25, 1, "DynamoDB GB stored, a month", *_DYNAMODB),
    "backup_gb_months": Price(0.20, 1, "DynamoDB GB of point-in-time recovery", *_DYNAMODB),
}
"""By the name of the unit in ``bill.Usage``.

Not here: the MQTT message itself, and the connection. A device sends it whether or not this module
listens.
"""
