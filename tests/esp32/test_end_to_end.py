"""Tests of tests/e2e, on the model of an ESP32: `states` here is of that board."""
# ruff: noqa: F401

import pytest
from test_anchors_written import test_a_cable_pulled_while_anchors_are_written
from test_bad_line import counting, test_rubbish
from test_commands import (
    test_status,
    test_the_whole_way_from_a_key_to_a_confirmed_release,
    test_trust_anchors_are_written_once,
)
from test_device_refuses import (
    test_a_refusal_survives_a_power_cut,
    test_few_octets_are_sent_for_nothing,
)
from test_interruptions import (
    test_power_cut_while_receiving,
    test_power_cuts_at_random_moments,
    test_pulled_in_the_middle,
)
from test_many_predecessors import (
    test_accepted_by_the_last_of_many,
    test_refused_by_the_last_of_many,
)
from test_releases import (
    test_a_point_of_no_return,
    test_a_self_test_that_fails_is_reverted,
    test_an_application_that_never_confirms_is_reverted,
    test_credit_survives_the_path,
)
from test_short_lives import test_an_upload_is_answered

pytestmark = pytest.mark.slow
