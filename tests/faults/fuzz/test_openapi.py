"""Every operation of the OpenAPI document, with what fits it and what does not, on real servers of both databases.

No answer is a 5xx but 503 (and the 501 that is documented), each is of a documented media type and shape, what the
document forbids is refused, and nothing unexpected is in the log. ``FUZZ_SEED=n`` makes other requests.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.schemas import BaseSchema

from monitor.api.access import ROLES
from tests.faults.fuzz.bodies import register
from tests.faults.fuzz.target import API, TOKENS, Target, bearer
from tests.faults.report import WHOLE

EXAMPLES = 100 if WHOLE else 6
SEED = int(os.environ.get("FUZZ_SEED", "20261126"))
STATUSES = {200, 201, 202, 204, 307, 400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 429, 503}
REJECTED = "negative_data_rejection"
CHECKED = (
    "content_type_conformance", "response_schema_conformance", "response_headers_conformance",
    REJECTED, "missing_required_header", "ignored_auth",
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def known_to_schemathesis() -> None:
    register()
    load_all_checks()


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.xdist_group(f"fuzz {name}")) for name in ("SQLite", "PostgreSQL")],
)
def target(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server of each database, shared by the operations."""
    directory = tmp_path_factory.mktemp(request.param)
    url = f"sqlite:///{directory}/driftline.db"
    if request.param == "PostgreSQL":
        url = request.getfixturevalue("postgresql_databases")("template0")
    opened = Target(directory, database_url=url)
    yield opened
    opened.close()


def document_of(target):
    return schemathesis.openapi.from_dict(target.client.get(f"{API}/openapi.json").json())


@pytest.fixture(scope="module")
def document(target):
    return document_of(target)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("label", sorted(ROLES))
def test_an_operation_answers_as_the_document_says(target, document, label):
    it_answers_as_documented(target, document, label)


@pytest.mark.whole
@pytest.mark.timeout(900)
def test_a_name_that_no_struct_can_have_is_found_where_nobody_looks_at_names(tmp_path):
    broken = Target(
        tmp_path, database_url=f"sqlite:///{tmp_path}/driftline.db", mutation="names_are_not_looked_at"
    )  # fmt: skip
    with pytest.raises(AssertionError, match="unexpected error"):
        it_answers_as_documented(broken, document_of(broken), f"POST {API}/models/{{model}}/labels")
    broken.close()


def it_answers_as_documented(target, document, label):
    operation = document.find_operation_by_label(label)
    answered: Counter[int] = Counter()
    with requests.Session() as session:

        def is_right(case: Case, token: str) -> None:
            case.headers.update(bearer(token))  # so that a case that would go without one is not taken for wrong
            response = case.call(
                target.service.url, session=session, headers=bearer(token), timeout=60, allow_redirects=False
            )
            answered[response.status_code] += 1
            documented = STATUSES | ({501} if "501" in operation.responses.status_codes else set())
            assert response.status_code in documented, (response.content[:500], target.unexpected())
            if token != "limited":  # what is refused for the token alone says nothing of the request
                checked = [name for name in CHECKED if name != REJECTED or not are_aside(case, response, document)]
                case.validate_response(response, checks=CHECKS.get_by_names(checked), headers=bearer(token))

        for mode in GenerationMode:
            target.fill()
            run(is_right, operation, mode=mode, known=target.known(), role=ROLES[label])
    assert answered.total() > 0
    assert target.unexpected() == ""
    assert target.client.get("/livez").status_code == 200


def are_aside(case: Case, response: requests.Response, document: BaseSchema) -> bool:
    """Whether nothing is wrong with the request but records of it, and as many are in quarantine.

    One bad record holds up no other, and the request is not refused for it. Parameters that nobody knows are ignored,
    and the token is sent whatever the case says.
    """
    records = case.body.get("records") if isinstance(case.body, dict) else None
    wrong = {
        change.parameter_location
        for change in case.meta.phase.data.mutations
        if change.parameter_location == ParameterLocation.BODY
        or not (change.keywords == ("additionalProperties",) or change.original_value == ["Authorization"])
    }
    if response.status_code != 200 or not isinstance(records, list) or wrong != {ParameterLocation.BODY}:
        return False
    name = "LabelRecord" if case.operation.path.endswith("/labels") else "Record"
    fits = Draft202012Validator({"$ref": f"#/components/schemas/{name}", **document.raw_schema}).is_valid
    return 0 < sum(not fits(record) for record in records) <= response.json()["quarantined"]


def run(is_right, operation, *, mode: GenerationMode, known: dict[str, str], role: str) -> None:
    """So many cases of the mode: most name what there is, and come with the token that the operation is for."""
    there = {parameter.name: known[parameter.name] for parameter in operation.path_parameters}
    cases = [operation.as_strategy(mode, path_parameters=there)] * (3 if there else 1)
    anywhere = [operation.as_strategy(mode)] if there else []
    own = "read" if role == "open" else role
    tokens = st.sampled_from([own] * 8 + sorted(TOKENS))
    # an operation that has nothing to negate in its query and body has nothing to negate where its path is given
    tried = [st.one_of([*cases, *anywhere]), *map(st.one_of, [anywhere] if anywhere else [])]
    for strategy in tried:
        try:
            made = settings(
                max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )(given(strategy, tokens)(is_right))  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of schemathesis, of what it cannot negate
                seed(SEED)(made)()
            return
        except Unsatisfiable:
            assert mode.is_negative, "no request fits the document"
