"""Judges the alarms of the templates as CloudWatch does: statistics by period, metric math, M of N, missing data.

Source: "Configuring how CloudWatch alarms treat missing data" and "Using math expressions with CloudWatch metrics" in
the CloudWatch user guide. How many more periods than N CloudWatch looks back on is not documented; its tables, with
N = 3, look back on 5, and so does this: N + 2.
"""

import ast
import math
import operator
from collections import defaultdict

LOOKS_BACK_FURTHER = 2
COMPARISONS = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
TESTS = {ast.GtE: operator.ge, ast.Gt: operator.gt, ast.LtE: operator.le, ast.Lt: operator.lt, ast.Eq: operator.eq}


class Metrics:
    """Values by metric, each at a second of a synthetic time that begins at 0."""

    def __init__(self):
        self.values = defaultdict(list)

    def add(self, second, namespace, name, dimensions, value):
        self.values[namespace, name, frozenset(dimensions.items())].append((second, value))

    def add_line(self, second, line):
        """Adds what a line in embedded metric format says, under each of its sets of dimensions."""
        for directive in line["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: line[name] for name in names}
                for metric in directive["Metrics"]:
                    self.add(second, directive["Namespace"], metric["Name"], dimensions, float(line[metric["Name"]]))

    def statistic(self, metric, statistic, period, number):
        """A metric's statistic over the period of this number; None where it has no value there."""
        key = metric["Namespace"], metric["MetricName"], frozenset((each["Name"], each["Value"]) for each in metric["Dimensions"])
        values = [value for second, value in self.values[key] if number * period <= second < (number + 1) * period]
        return aggregate(statistic, values) if values else None


def aggregate(statistic, values):
    if statistic.startswith("p"):
        rank = math.ceil(float(statistic[1:]) / 100 * len(values))
        return sorted(values)[max(rank, 1) - 1]
    return {"Sum": sum, "Maximum": max, "Minimum": min}[statistic](values)


class Alarm:
    """An alarm as a template declares it."""

    def __init__(self, properties):
        self.properties = properties
        queries = [query["MetricStat"] for query in properties.get("Metrics", []) if "MetricStat" in query]
        [self.period] = {int(query["Period"]) for query in queries or [properties]}
        self.needed = int(properties["EvaluationPeriods"])
        self.to_alarm = int(properties.get("DatapointsToAlarm", self.needed))

    def point(self, metrics, number):
        """The value that is compared for the period of this number; None where data are missing."""
        given = self.properties
        if "Metrics" not in given:
            statistic = given.get("Statistic") or given["ExtendedStatistic"]
            return metrics.statistic(given, statistic, self.period, number)
        found = {}
        for query in given["Metrics"]:
            if "MetricStat" in query:
                each = query["MetricStat"]
                found[query["Id"]] = metrics.statistic(each["Metric"], each["Stat"], self.period, number)
        [expression] = [query["Expression"] for query in given["Metrics"] if "Expression" in query]
        return computed(expression, found)

    def states(self, metrics, end):
        """The state after each period until a second, from OK on."""
        points, states, state = [], [], "OK"
        for number in range(end // self.period):
            points.append(self.point(metrics, number))
            state = self.next_state(state, points[-(self.needed + LOOKS_BACK_FURTHER) :])
            states.append(state)
        return states

    def next_state(self, state, points):
        """The state that follows from the points that are looked back on, the oldest first."""
        compares = COMPARISONS[self.properties["ComparisonOperator"]]
        threshold = float(self.properties["Threshold"])
        breaches = [compares(point, threshold) for point in points if point is not None]
        treat = self.properties.get("TreatMissingData", "missing")
        if len(breaches) >= self.needed:
            return "ALARM" if sum(breaches[-self.needed :]) >= self.to_alarm else "OK"
        # As few missing points as possible are taken for what the alarm says they are.
        filled = self.needed - len(breaches)
        if treat in ("breaching", "notBreaching"):
            count = sum(breaches) + (filled if treat == "breaching" else 0)
            return "ALARM" if count >= self.to_alarm else "OK"
        if sum(breaches) >= self.to_alarm:
            return "ALARM"
        if breaches and not all(breaches):
            return "OK"
        # Nothing but missing points, or too few that all breach.
        return state if treat == "ignore" else "ALARM" if breaches else "INSUFFICIENT_DATA"


def computed(expression, values):
    """A metric math expression over one period's values, of which None are missing."""
    tree = ast.parse(expression.replace("&&", " and ").replace("||", " or "), mode="eval")
    return _value(tree.body, values)


def _value(node, values):
    match node:
        case ast.Constant(value=number):
            return number
        case ast.Name(id=name):
            return values[name]
        case ast.Call(func=ast.Name(id="FILL"), args=[series, filler]):
            value = _value(series, values)
            return _value(filler, values) if value is None else value
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.Call(func=ast.Name(id="METRICS"))]):
            present = [value for value in values.values() if value is not None]
            return sum(present) if present else None
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            holds = _value(condition, values)
            return None if holds is None else _value(then if holds else otherwise, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _both(OPERATORS[type(op)], _value(left, values), _value(right, values))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _both(TESTS[type(op)], _value(left, values), _value(right, values))
        case ast.BoolOp(op=op, values=parts):
            found = [_value(part, values) for part in parts]
            return None if None in found else all(found) if isinstance(op, ast.And) else any(found)
    raise ValueError(f"not understood: {ast.unparse(node)}")


def _both(operation, left, right):
    return None if left is None or right is None else operation(left, right)
