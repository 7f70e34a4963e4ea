"""What schemathesis cannot know of Bookbag: who asks, which ids exist, and what holds beyond the schema.

A request is made by the actor whom its operation's security names: `staff`, `parent`, `connector`, or nobody. The file
that `BOOKBAG_ACTORS` names (src/contract/ writes it) has their tokens and, from gather.py, the ids that are theirs.

An operation gets its ids by their name and shape and nothing else: wherever in path, query or body something like
`per_0190...` was made up, a real id stands in its place, that a list tells under the same name or, where none does, that
has the same prefix; mostly one of the actor's own, sometimes one of somebody else's, sometimes the made-up one. So a new
route needs nothing here. If it is about a new kind of thing, src/contract/actors.rs has to make one.

Ids are taken in turn, and the same request is always sent the same way.
"""

import atexit
import json
import os
import re
import zlib

import gather
import schemathesis

from gather import ID

with open(os.environ["BOOKBAG_ACTORS"], encoding="utf-8") as file:
    # Name -> `tokens`, the first of them for everything; `path`, what is known of paths (`school_id`); `ids` by prefix
    # and by name; `withheld` ids, on which the others rest.
    ACTORS = json.load(file)
# Words that the contract itself uses, as no secret of anybody's.
WORDS = set()
# Operation -> status -> how often.
SEEN = {}
# Operation and place in its requests -> request -> in which turn it came.
TURNS = {}


@schemathesis.hook
def after_load_schema(context, schema):
    """Notes the contract's own words."""
    WORDS.update(re.findall(r"\w{8,}", json.dumps(schema.raw_schema, default=str)))


@atexit.register
def report():
    """For src/contract/, which looks whether every operation was truly reached."""
    with open(os.environ["BOOKBAG_SEEN"], "w", encoding="utf-8") as file:
        json.dump(SEEN, file)


def actor(case):
    """Who asks. What a parent deletes may be the very session, so each such operation has a parent of its own."""
    name = gather.scheme(case.operation.definition.raw, case.operation.schema.raw_schema)
    if name == "parent" and case.method == "DELETE":
        return ACTORS[f"parent_for_{case.operation.definition.raw['operationId']}"]
    return ACTORS.get(name)


def number(case):
    """A number that follows from the request."""
    made = [case.method, case.operation.path, case.path_parameters, case.query, case.body]
    return zlib.crc32(json.dumps(made, sort_keys=True, default=repr).encode())


def real(value, case, place, own):
    """An id that exists in place of one that was made up."""
    if isinstance(value, dict):
        return {name: real(current(name, inner), case, f"{place}/{name}", own) for name, inner in value.items()}
    if isinstance(value, list):
        return [real(inner, case, f"{place}/{index}", own) for index, inner in enumerate(value)]
    shape = ID.fullmatch(value) if isinstance(value, str) else None
    if shape is None or is_real(value):
        return value
    # What one list tells together, a pupil and a contact, has the same place under both names, and so comes together.
    mine = own.get(place.rpartition("/")[2]) or own.get(shape[1], [])
    if case.method == "DELETE":
        # Two of three stay for everybody else.
        mine = mine[2::3] or mine
    pools = [mine] * 10 + [foreign(own, shape[1]), []]
    turn = in_turn(case, place)
    pool = pools[turn % len(pools)]
    return pool[turn % len(pool)] if pool else value


def in_turn(case, place):
    """How many other requests of the operation had something at this place before."""
    turns = TURNS.setdefault((case.operation.label, place), {})
    return turns.setdefault(number(case), len(turns))


def current(name, value):
    """The version at which everything begins, in place of most that were made up: few things change in a run."""
    return 1 if name == "version" and type(value) is int and value % 4 else value


def foreign(own, prefix):
    """Ids of this kind that are somebody else's."""
    return [id for who in ACTORS.values() for id in who["ids"].get(prefix, []) if id not in own.get(prefix, [])]


def is_real(value):
    """Whether an id is in its place already: a request that is sent once more stays as it is."""
    return any(value in ids for who in ACTORS.values() for ids in who["ids"].values())


@schemathesis.auth(refresh_interval=None)
class Tokens:
    """Mostly the token that may do everything at the school; every eighth request has one of a single role's."""

    def get(self, case, context):
        who = actor(case)
        if who is None:
            return None
        tokens = who["tokens"]
        choice = number(case)
        return tokens[0] if choice % 8 else tokens[choice // 8 % len(tokens)]

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def map_body(context, body):
    """JSON Schema takes 3.0 for an integer, the contract does not: integers are written without a fraction."""
    if isinstance(body, dict):
        return {name: map_body(context, inner) for name, inner in body.items()}
    if isinstance(body, list):
        return [map_body(context, inner) for inner in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@schemathesis.hook
def before_call(context, case, kwargs):
    own = (actor(case) or {"ids": {}})["ids"]
    for part in ("path_parameters", "query", "body"):
        value = getattr(case, part)
        if isinstance(value, (dict, list)):
            put = real(value, case, part, own)
            if put != value:
                setattr(case, part, put)


@schemathesis.hook
def after_call(context, case, response):
    statuses = SEEN.setdefault(case.operation.definition.raw["operationId"], {})
    statuses[response.status_code] = statuses.get(response.status_code, 0) + 1


def is_ours(response):
    """Whether a function answered, and not the gateway before it."""
    return "x-content-type-options" in {name.lower() for name in response.headers}


@schemathesis.check
def nothing_is_cached(ctx, response, case):
    """Every answer is about somebody."""
    if is_ours(response):
        assert response.headers.get("cache-control") == ["no-store"], "the answer lacks `cache-control: no-store`"


@schemathesis.check
def problems_are_problems(ctx, response, case):
    """An error of ours is a problem (RFC 9457) that says its own status and repeats nothing that was typed."""
    if not is_ours(response) or response.status_code < 400:
        return
    problem = response.json()
    assert problem["status"] == response.status_code, "the problem tells another status than the answer has"
    assert problem["type"].endswith("/" + problem["code"]), "`type` does not end in `code`"
    text = response.text
    for typed in texts(case.body):
        # Shorter ones are part of many sentences, and ids are ours.
        if len(typed) >= 8 and typed not in WORDS and not is_real(typed):
            assert json.dumps(typed)[1:-1] not in text and typed not in text, "the problem repeats what was typed"


@schemathesis.check
def nothing_of_others(ctx, response, case):
    """An id of another school or family answers like one that never existed: not with success, and not with a conflict."""
    who = actor(case)
    if who is None:
        return
    asked = [found[0] for found in ID.finditer(response.request.url) if is_real(found[0])]
    if any(id not in who["ids"].get(id[:3], []) for id in asked):
        assert response.status_code in (400, 401, 403, 404, 422), "an id of somebody else's answers as if it were known"


def texts(body):
    """The words that were typed."""
    if isinstance(body, dict):
        for inner in body.values():
            yield from texts(inner)
    elif isinstance(body, list):
        for inner in body:
            yield from texts(inner)
    elif isinstance(body, str):
        yield body

