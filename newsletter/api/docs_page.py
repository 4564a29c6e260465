"""/api/: the API's documentation, made from its OpenAPI document, with a form for every read that takes parameters.

In: the OpenAPI document. Out: a page that needs no script: its forms are plain GETs. The same for everybody.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404
from django.shortcuts import redirect, render

from newsletter.api import api
from newsletter.views.page_context import frame, public_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest, HttpResponse


@public_page
def api_page(request: HttpRequest) -> HttpResponse:
    """Show the page. Its forms come back here with ``try``, to drop empty fields before they go to the API."""
    if tried := request.GET.get("try"):
        address = next((one["path"] for _tag, group in _groups() for one in group if one["id"] == tried), None)
        if address is None:
            raise Http404
        wishes = {name: value for name, value in request.GET.items() if value and name != "try"}
        return redirect(f"{address}?{urlencode(wishes)}" if wishes else address)
    context = {
        "groups": _groups(),
        "shapes": _shapes(),
        "reads_per_minute": settings.API_READS_PER_MINUTE,
        "nav": "",
    }
    return render(request, "newsletter/api.html", context | frame(request))


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return dict(api.get_openapi_schema(path_prefix="/api/v1/"))


@lru_cache(maxsize=1)
def _groups() -> list[tuple[str, list[dict[str, Any]]]]:
    """Return operations by tag, in the order of the document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in _document()["paths"].items():
        for method, spec in methods.items():
            groups.setdefault(spec["tags"][0], []).append(_operation(path, method, spec))
    return list(groups.items())


def _operation(path: str, method: str, spec: dict[str, Any]) -> dict[str, Any]:
    wishes = list(map(_parameter, spec.get("parameters", [])))
    body = spec.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    opens_in_browser = method == "get" and "{" not in path and not spec.get("security")
    return {
        "id": spec["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": spec["summary"],
        "description": _plainly(spec.get("description", "")),
        "wishes": wishes,
        "is_form": opens_in_browser and bool(wishes),
        "is_link": opens_in_browser,
        "takes_key": bool(spec.get("security")),
        "body": _kind(body) if body else None,
        "answers": _answers(spec["responses"]),
    }


def _answers(spec: dict[str, Any]) -> list[tuple[str, dict[str, str] | None]]:
    """Group statuses that have the same response."""
    lines: dict[str, tuple[list[str], dict[str, str] | None]] = {}
    for status, answer in spec.items():
        shape = _shape_of(answer)
        lines.setdefault(shape["words"] if shape else str(status), ([], shape))[0].append(str(status))
    return [(", ".join(statuses), shape) for statuses, shape in lines.values()]


def _parameter(spec: dict[str, Any]) -> dict[str, Any]:
    schema = spec["schema"]
    variants = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    first = variants[0] if variants else schema
    types = {"integer": "number", "boolean": "boolean"}
    return {
        "name": spec["name"],
        "where": spec["in"],
        "is_required": spec.get("required", False),
        "description": _plainly(schema.get("description", "")),
        "choices": [choice for choice in first.get("enum", []) if choice != ""],
        "input": "date" if first.get("format") == "date" else types.get(first.get("type", ""), "text"),
        "least": first.get("minimum"),
        "most": first.get("maximum"),
        "length": first.get("maxLength"),
        "usual": schema.get("default") or "",
    }


@lru_cache(maxsize=1)
def _shapes() -> list[tuple[str, str, list[tuple[str, dict[str, str], str]]]]:
    """Return (name, description, fields) of each schema, without those of parameters."""
    found = _document()["components"]["schemas"]
    named = {kind["name"] for _tag, operations in _groups() for one in operations for kind in _kinds_of(one)}
    todo, done = sorted(named), set[str]()
    while todo:
        name = todo.pop(0)
        if name in found and name not in done:
            done.add(name)
            todo += [_kind(field)["name"] for field in found[name].get("properties", {}).values()]
    return [
        (
            name,
            _plainly(found[name].get("description", "")),
            [
                (field, _kind(spec), _plainly(spec.get("description", "")))
                for field, spec in found[name].get("properties", {}).items()
            ],
        )
        for name in found
        if name in done
    ]


def _kinds_of(operation: dict[str, Any]) -> Iterator[dict[str, str]]:
    yield from (shape for _status, shape in operation["answers"] if shape)
    if operation["body"]:
        yield operation["body"]


def _shape_of(answer: dict[str, Any]) -> dict[str, str] | None:
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return _kind(schema) if schema else None


def _plainly(markdown: str) -> str:
    return markdown.replace("`", "")


def _kind(schema: dict[str, Any]) -> dict[str, str]:
    """Return what a field holds, in words, and the name of its schema ("" for plain values)."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return {"words": name, "name": name}
    if schema.get("type") == "array":
        inner = _kind(schema["items"])
        return {"words": f"list of {inner['words']}", "name": inner["name"]}
    if "anyOf" in schema:
        kinds = [_kind(one) for one in schema["anyOf"]]
        return {
            "words": " or ".join(kind["words"] for kind in kinds),
            "name": next((kind["name"] for kind in kinds if kind["name"]), ""),
        }
    if "enum" in schema:
        return {"words": ", ".join(str(value) or '""' for value in schema["enum"]), "name": ""}
    return {"words": schema.get("format") or schema.get("type", "object"), "name": ""}
