from imcaxy.server.exposition import Metric, written


def test_metrics_have_help_type_and_every_label() -> None:
    metrics = [
        Metric("a_total", "counter", "How many.", [({"cache": "memory"}, 3), ({"cache": "x"}, 0)]),
        Metric("b", "gauge", "How much.", [({}, 0.5)]),
    ]
    assert written(metrics, {"instance": "web/1"}).decode().splitlines() == [
        "# HELP a_total How many.",
        "# TYPE a_total counter",
        'a_total{instance="web/1",cache="memory"} 3',
        'a_total{instance="web/1",cache="x"} 0',
        "# HELP b How much.",
        "# TYPE b gauge",
        'b{instance="web/1"} 0.5',
    ]


def test_large_counts_keep_every_digit() -> None:
    assert b" 123456789012\n" in written([Metric("a", "gauge", "x", [({}, 123456789012)])], {})


def test_label_values_are_escaped() -> None:
    text = written([Metric("a", "gauge", "x", [({}, 1)])], {"instance": 'a"b\\c\nd'}).decode()
    assert 'a{instance="a\\"b\\\\c\\nd"} 1' in text
