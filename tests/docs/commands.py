"""Which test runs each command that the docs tell a reader to run. The longest beginning counts."""

_EXAMPLES = "tests/examples/test_examples.py::"
_MOVE = "tests/examples/test_adopt.py::"
_IMPORTED = f"{_MOVE}test_what_was_retained_is_imported_and_nothing_of_it_is_replaced"
_ADOPTED = f"{_MOVE}test_after_it_there_is_nothing_to_do"
_BY_HAND = (
    "tests/examples/test_by_hand.py::test_what_the_readme_says_to_type_has_a_device_cool_down"
)
_SECOND_PLAN = "tests/deployed/test_lifecycle.py::test_a_second_plan_is_empty"
_DESTROY = "tests/deployed/test_lifecycle.py::test_destroy_leaves_nothing"


def _applied(test: str) -> dict[str, str]:
    """Of an example that the tests apply beside others: the test that sees it work."""
    destroyed = "test_a_destroy_leaves_nothing_but_a_key_that_waits_for_its_deletion"
    return {
        "terraform init": f"{_EXAMPLES}{test}",
        "terraform apply": f"{_EXAMPLES}{test}",
        "terraform destroy": f"{_EXAMPLES}{destroyed}",
    }


ON_PAGE = {
    "examples/quickstart/README.md": {
        "terraform init": _BY_HAND,
        "terraform apply": _BY_HAND,
        "terraform destroy": _DESTROY,
    },
    "examples/complete/README.md": _applied(
        "test_complete_brings_a_firmware_to_its_group_and_takes_a_device_out"
    ),
    "examples/job-events/README.md": _applied("test_job_events_counts_what_jobs_say_and_no_device"),
    "examples/landing-zone/README.md": _applied(
        "test_landing_zone_keeps_two_fleets_apart_on_one_topic"
    ),
    "examples/marker-attribute/README.md": _applied("test_marker_attribute_overwrites_nothing"),
    "examples/moving-from-cdk/README.md": {
        "terraform init": _IMPORTED,
        "terraform plan": _IMPORTED,
        "terraform apply": _ADOPTED,
    },
    "docs/moving-from-cdk.md": {"terraform plan": _IMPORTED, "terraform apply": _ADOPTED},
}
"""What the same command does in the folder that a page is about: that test, and no other."""

RUN_BY = {
    ". .local/cloud/environment.sh": _BY_HAND,
    ".venv/bin/python -m fleet_retry history": _BY_HAND,
    ".venv/bin/python -m localcloud.device": _BY_HAND,
    "terraform -chdir=examples/quickstart init": _BY_HAND,
    "terraform -chdir=examples/quickstart apply": _BY_HAND,
    "terraform init": _BY_HAND,
    "terraform plan": _SECOND_PLAN,
    "terraform apply": _SECOND_PLAN,
    "terraform destroy": _DESTROY,
    "make demo": "tests/demo/test_demo.py::test_every_device_ends_where_it_should",
    "make local": "tests/localcloud/test_process.py"
    "::test_the_command_prints_what_to_do_and_ends_on_ctrl_c",
    "make test": "tests/docs/test_commands.py::test_make_test_is_what_ci_runs",
    "make examples": "tests/docs/test_commands.py::test_make_test_is_what_ci_runs",
    "make lint": "tests/docs/test_commands.py::test_make_test_is_what_ci_runs",
    "make help": "tests/docs/test_commands.py::test_make_help_names_every_target",
    "make docs": "tests/docs/test_readme.py"
    "::test_the_tables_of_inputs_and_outputs_are_what_the_code_says",
    "make package": "tests/unit/test_package.py::test_the_checked_in_zip_is_what_the_source_gives",
    "make pictures": "tests/docs/test_pictures.py::test_a_picture_is_what_its_source_says",
    "make soak": "tests/simulation/test_soak.py::test_the_commands_replay_what_they_found",
    "make mutants": "tests/simulation/test_mutations.py",
    "make million": "tests/simulation/test_fleet_commands.py"
    "::test_a_storm_is_reported_in_a_table_a_file_and_a_picture",
    "make simulate": "tests/simulation/test_fleet_commands.py"
    "::test_ladders_are_compared_side_by_side_in_a_table_a_file_and_a_picture",
    ".venv/bin/python -m simulation replay": "tests/simulation/test_soak.py"
    "::test_the_commands_replay_what_they_found",
    "pip install .": "tests/docs/test_commands.py::test_what_pip_installs_runs",
    "terraform output": "tests/localcloud/test_terraform.py::test_apply_plan_and_destroy",
    "aws iot describe-event-configurations": "tests/localcloud/test_terraform.py"
    "::test_apply_plan_and_destroy",
    "aws sns list-subscriptions-by-topic": "tests/deployed/test_fleet_retry.py"
    "::test_the_doctor_finds_each_fault_that_is_planted",
    "aws dynamodb create-backup": "tests/localcloud/test_documented.py::test_it_is_answered",
    "aws iot enable-topic-rule": "tests/localcloud/test_documented.py::test_it_is_answered",
    "aws logs delete-log-group": "tests/localcloud/test_documented.py::test_it_is_answered",
    "aws logs filter-log-events": "tests/localcloud/test_documented.py::test_it_is_answered",
    "aws lambda invoke": "tests/deployed/test_release.py::test_by_the_function_for_a_list",
    "aws iot create-job": "tests/examples/test_examples.py"
    "::test_complete_brings_a_firmware_to_its_group_and_takes_a_device_out",
    "aws iot remove-thing-from-thing-group": "tests/deployed/test_release.py"
    "::test_by_removing_it_from_the_group_where_they_are_off",
    "aws iot update-event-configurations": "tests/deployed/test_release.py"
    "::test_by_removing_it_from_the_group_where_membership_events_are_on",
    "aws stepfunctions list-state-machines": "tests/examples/test_adopt.py"
    "::test_the_rule_is_disabled_and_no_run_sleeps_any_more",
    "fleet-retry adopt": "tests/examples/test_adopt.py"
    "::test_all_are_adopted_but_the_one_that_needs_a_person",
    "fleet-retry adopt --dry-run": "tests/examples/test_adopt.py"
    "::test_a_dry_run_says_what_will_be_done",
    "fleet-retry adopt --stop-original": "tests/examples/test_adopt.py"
    "::test_the_rule_is_disabled_and_no_run_sleeps_any_more",
    "fleet-retry adopt --stop-original --dry-run": "tests/examples/test_adopt.py"
    "::test_a_dry_run_stops_nothing",
    "fleet-retry campaigns": "tests/fleet_retry/test_campaigns.py"
    "::test_campaigns_are_listed_with_their_devices",
    "fleet-retry doctor": "tests/deployed/test_fleet_retry.py"
    "::test_the_doctor_finds_each_fault_that_is_planted",
    "fleet-retry list": "tests/fleet_retry/test_list.py::test_options_say_which",
    "fleet-retry pause": "tests/fleet_retry/test_campaigns.py::test_pause_writes_who_when_and_why",
    "fleet-retry release": "tests/deployed/test_fleet_retry.py"
    "::test_many_are_released_and_who_is_not_there_is_said",
    "fleet-retry release --state": "tests/fleet_retry/test_release.py"
    "::test_a_selection_is_released",
    "fleet-retry resume": "tests/fleet_retry/test_campaigns.py::test_resume_says_who_comes_back",
    "fleet-retry show": "tests/deployed/test_fleet_retry.py"
    "::test_a_failed_device_is_listed_shown_and_released",
    "fleet-retry history": "tests/fleet_retry/test_history.py::test_a_history_is_told_oldest_first",
    "fleet-retry redrive": "tests/fleet_retry/test_redrive.py"
    "::test_what_the_intake_gave_up_starts_it_again",
    "fleet-retry redrive --dry-run": "tests/fleet_retry/test_redrive.py"
    "::test_a_dry_run_changes_nothing",
}

BY_HAND = {
    ".venv/bin/pytest": "is itself how tests are run; that its paths exist is tested",
    ".venv/bin/pre-commit install": "writes into .git; what the hooks run is in test_hooks.py",
    "aws cloudformation get-template": "only shows; that the command exists is tested",
    "aws service-quotas list-service-quotas": "only shows; that the command exists is tested",
    "aws service-quotas request-service-quota-increase": "asks AWS; that it exists is tested",
    "npx cdk": "the CDK stack is not here",
    "fleet-retry --install-completion": "changes the shell's own files; test_cli.py shows it",
    "fleet-retry COMMAND --help": "stands for any command",
    "make bench": "takes minutes; what it runs is in tests/bench and tests/deployed/test_costs.py",
}
"""Commands that no test runs, and why not."""
