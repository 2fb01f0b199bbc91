"""Tests the evaluator against the tables of the CloudWatch user guide."""

import unittest

from evaluator import Alarm, Metrics, computed

DIMENSIONS = {"FunctionName": "page"}
# A point for each of five periods, the oldest first (X breaches, 0 does not, - is missing), and the state that
# follows where missing points are treated as `missing`, `ignore` (from OK and ALARM on, K for kept), `breaching` and
# `notBreaching`. A is ALARM, O is OK, I is INSUFFICIENT_DATA.
THREE_OF_THREE = {"0-X-X": "OOOO", "----0": "OOOO", "-----": "IKAO", "0XX-X": "AAAA", "--X--": "AKAO"}
TWO_OF_THREE = {"0-X-X": "AAAA", "00X0X": "AAAA", "0-X--": "OOAO", "----0": "OOAO", "----X": "AKAO"}
TREATMENTS = ["missing", "ignore", "breaching", "notBreaching"]


def alarm(**changes):
    of_one = {"Namespace": "N", "MetricName": "M", "Dimensions": [{"Name": "FunctionName", "Value": "page"}]}
    return Alarm({
        **of_one, "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold", **changes,
    })


class Evaluator(unittest.TestCase):
    def test_missing_points_are_treated_as_the_guides_tables_say(self):
        for needed, table in [(3, THREE_OF_THREE), (2, TWO_OF_THREE)]:
            for points, follows in table.items():
                values = [{"X": 1, "0": 0, "-": None}[point] for point in points]
                for treatment, letter in zip(TREATMENTS, follows):
                    judged = alarm(DatapointsToAlarm=needed, TreatMissingData=treatment)
                    for before in ["OK", "ALARM"]:
                        expected = {"A": "ALARM", "O": "OK", "I": "INSUFFICIENT_DATA", "K": before}[letter]
                        self.assertEqual(judged.next_state(before, values), expected, (points, needed, treatment))

    def test_a_period_is_judged_by_the_statistic_of_its_own_values(self):
        metrics = Metrics()
        for second, value in [(0, 1), (59, 2), (60, 7)]:
            metrics.add(second, "N", "M", DIMENSIONS, value)
        for statistic, expected in [("Sum", [3, 7, None]), ("Maximum", [2, 7, None]), ("Minimum", [1, 7, None])]:
            judged = alarm(Statistic=statistic)
            self.assertEqual([judged.point(metrics, number) for number in range(3)], expected)
        percentile = alarm(Statistic=None, ExtendedStatistic="p95")
        for value in range(100):
            metrics.add(120, "N", "M", DIMENSIONS, value)
        self.assertEqual(percentile.point(metrics, 2), 94)

    def test_a_line_counts_under_each_of_its_sets_of_dimensions_and_no_other(self):
        directive = {"Namespace": "N", "Dimensions": [["FunctionName"], ["FunctionName", "Code"]], "Metrics": [{"Name": "M"}]}
        metrics = Metrics()
        metrics.add_line(0, {"_aws": {"CloudWatchMetrics": [directive]}, "FunctionName": "page", "Code": "storage", "M": 1})
        self.assertEqual(alarm().point(metrics, 0), 1)
        for code, expected in [("storage", 1), ("other", None)]:
            dimensions = [{"Name": "FunctionName", "Value": "page"}, {"Name": "Code", "Value": code}]
            self.assertEqual(alarm(Dimensions=dimensions).point(metrics, 0), expected)

    def test_metric_math_is_computed_and_missing_where_what_it_needs_is(self):
        for expression, values, expected in [
            ("FILL(a, 0) + FILL(b, 0)", {"a": None, "b": 2}, 2),
            ("a + b", {"a": None, "b": 2}, None),
            ("SUM(METRICS())", {"a": None, "b": 2, "c": 3}, 5),
            ("SUM(METRICS())", {"a": None}, None),
            ("IF(a >= 300 && a * 10 >= b, a, 0)", {"a": 400, "b": 4000}, 400),
            ("IF(a >= 300 && a * 10 >= b, a, 0)", {"a": 400, "b": 4001}, 0),
            ("IF(a >= 300, a, 0)", {"a": None}, None),
        ]:
            self.assertEqual(computed(expression, values), expected, expression)
        with self.assertRaises(ValueError):
            computed("ANOMALY(a)", {"a": 1})


if __name__ == "__main__":
    unittest.main()
