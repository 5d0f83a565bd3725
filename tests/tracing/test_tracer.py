"""The tracer in one process: steps of the jobs, what the environment asks for, and forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.jobs.settings import JobSettings
from monitor.model.errors import FenceLost
from monitor.telemetry import Telemetry
from monitor.tracing import TRACE_ID
from monitor.tracing import environment as asking
from monitor.tracing.environment import asked_for
from monitor.tracing.otlp import OtlpTracer
from tests.evaluate.traffic import hour_of_rows, make_world, set_usual_reference
from tests.tracing.receiver import receiving, said

ROOT = Path(__file__).parents[2]
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture
def received(monkeypatch):
    with receiving() as found:
        monkeypatch.setenv(ENDPOINT, found.url)
        yield found


def traced(telemetry: Telemetry) -> OtlpTracer:
    telemetry.tracer = tracer = OtlpTracer(version="1", count=telemetry.count_spans)
    tracer.start()
    return tracer


def test_each_run_of_a_step_is_a_span_that_says_nothing_of_whose_it_is(store, received, monkeypatch):
    world = make_world(store, settings=JobSettings(fold_interval_us=0, retry_us=0), name="planted")
    tracer = traced(world.telemetry)
    set_usual_reference(world)
    world.post(hour_of_rows(0))
    world.tick_after(0)
    monkeypatch.setattr("monitor.evaluate.window.write_window", fails)
    world.post(hour_of_rows(1))
    world.tick_after(1)
    tracer.close()
    spans = {
        (span.name, said(span).get("driftline.attempt"), said(span).get("error.type")): span for span in received.spans
    }
    assert {name for name, _, _ in spans} >= {"step fold", "step evaluate", "step compact", "step retention"}
    evaluated, verdict = spans["step evaluate", 1, None], spans["step verdict", None, None]
    assert evaluated.status.code == 0
    assert (verdict.trace_id, verdict.parent_span_id) == (evaluated.trace_id, evaluated.span_id)
    failed = spans["step evaluate", 1, "ZeroDivisionError"]
    assert (failed.status.message, list(failed.events)) == ("", [])
    allowed = {"driftline.step", "driftline.job", "driftline.attempt", "driftline.outcome", "error.type"}
    assert {key for span in spans.values() for key in said(span)} <= allowed
    assert b"planted" not in b"".join(received.raw)


def fails(*_, **__):
    raise ZeroDivisionError("planted")


def test_what_somebody_else_does_is_no_error_of_the_step(received):
    from monitor.jobs.steps import watched

    telemetry = Telemetry()
    tracer = traced(telemetry)
    ids = []

    def taken_over():
        with watched("fold", telemetry=telemetry):
            ids.append(TRACE_ID.get())
            raise FenceLost("taken over")

    with pytest.raises(FenceLost):
        taken_over()
    ids.append(TRACE_ID.get())
    tracer.close()
    step = next(span for span in received.spans if span.name == "step fold")
    assert step.status.code == 0
    assert said(step)["driftline.outcome"] == "lost"
    assert ids == [step.trace_id.hex(), ""]


def test_the_sampler_of_the_environment_counts(received, monkeypatch):
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    telemetry = Telemetry()
    tracer = traced(telemetry)
    span = tracer.request(parent=None)
    assert (span.recording, len(span.trace_id)) == (False, 32)
    with span.stage("part"):
        pass
    span.end()
    tracer.close()
    assert received.asked == 0


@pytest.mark.parametrize(
    ("environment", "on", "warning"),
    [
        ({}, False, ""),
        ({ENDPOINT: ""}, False, ""),
        ({ENDPOINT: "http://c:4318"}, True, ""),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, ""),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://c:4318"}, False, ""),
        ({"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://c:4318"}, False, ""),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318"}, False, ""),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, False, "OTEL_TRACES_EXPORTER is 'zipkin': expected otlp or none"),
        ({ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, False,
         "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc': expected http/protobuf"),
        ({ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
          "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, True, ""),
    ],
)  # fmt: skip
def test_traces_are_on_where_the_environment_asks_for_them(environment, on, warning):
    asked = asked_for(environment)
    assert asked.on == on
    assert asked.warning.startswith(warning)
    assert bool(asked.warning) == bool(warning)


def test_without_the_extra_it_is_said_how_to_have_it(monkeypatch):
    monkeypatch.setattr(asking, "_EXPORTER", "opentelemetry.exporter.nowhere.at_all")
    asked = asked_for({ENDPOINT: "http://c:4318"})
    assert (asked.on, asked.warning) == (
        False, "traces are asked for and cannot be sent: install driftline[otel]",
    )  # fmt: skip


def test_a_server_without_traces_imports_no_sdk(tmp_path):
    script = f"""
import sys
from pathlib import Path
from monitor.app import create_app
from monitor.settings import Settings
create_app(Settings(data_dir=Path({str(tmp_path)!r})))
assert "opentelemetry.sdk.trace" not in sys.modules
"""
    clean = {"PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT, env=clean, timeout=120)


FORKS = """
import os, sys, warnings
warnings.simplefilter("ignore")  # of forks beside threads, which is what this is about
from monitor.tracing.otlp import OtlpTracer
tracer = OtlpTracer(version="1", count=lambda *_: None)
tracer.start()
tracer.work("before", links=()).end()
tracer._provider.force_flush()  # a connection is open now
tracer.work("waiting", links=()).end()
child = os.fork()
if child == 0:
    inherited = tracer.work("inherited", links=())
    assert not inherited.recording
    inherited.end()
    tracer.close()
    own = OtlpTracer(version="1", count=lambda *_: None)
    own.start()
    own.work("of the child", links=()).end()
    own.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
tracer.work("after", links=()).end()
tracer.close()
"""


def test_a_forked_child_sends_nothing_of_its_parents_and_may_begin_anew(received):
    env = {ENDPOINT: received.url, "PATH": "/usr/bin:/bin", "OTEL_BSP_SCHEDULE_DELAY": "60000"}
    subprocess.run([sys.executable, "-c", FORKS], check=True, cwd=ROOT, env=env, timeout=60)
    assert sorted(span.name for span in received.spans) == ["after", "before", "of the child", "waiting"]


@pytest.mark.parametrize("variable", ["OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"])
def test_the_environment_names_the_service(received, monkeypatch, variable):
    monkeypatch.setenv(variable, "scores" if variable == "OTEL_SERVICE_NAME" else "service.name=scores")
    tracer = traced(Telemetry())
    tracer.work("any", links=()).end()
    tracer.close()
    assert received.services == {"scores"}


def test_settings_that_cannot_be_used_cost_the_traces_and_not_the_start(received, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")  # less than a batch
    tracer = traced(Telemetry())
    span = tracer.work("any", links=())
    span.end()
    tracer.close()
    assert not span.recording
    assert received.asked == 0
    (said,) = [record.message for record in caplog.records if record.name == "monitor.tracing.otlp"]
    assert said.startswith("no traces are sent: correct what OTEL_* says (ValueError: max_export_batch_size")


def test_headers_are_sent_and_one_that_cannot_be_read_is_left_out_without_being_told(received, monkeypatch, caplog):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=known,secret-without-a-name")
    tracer = traced(Telemetry())
    tracer.work("any", links=()).end()
    tracer.close()
    assert b"x-api-key: known" in b"".join(received.raw)
    assert "expected name=value" in caplog.text
    assert "secret" not in caplog.text
