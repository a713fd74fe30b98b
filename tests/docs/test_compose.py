"""The deployment files: well-formed, and about roles, settings and files that exist.

The official compose schema cannot be fetched here. ``SCHEMA`` is written from the compose
specification for the parts that ``docker-compose.yml`` uses, and allows nothing else. It cannot
show that an engine accepts the file; ``docker compose config`` does that where it is installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import fields
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from visearch import contract
from visearch.cli.main import main
from visearch.settings import PREFIX, Settings
from workers.__main__ import BEAT
from workers.roles import ROLES

ROOT = Path(__file__).parents[2]
KNOWN = {PREFIX + field.name.upper() for field in fields(Settings)}
OTHER_SERVICES = {"postgres", "redis", "migrate", "web"}

STRINGS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
TIME = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}


def strict(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """Return the schema of an object with these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": [*required],
        "additionalProperties": False,
    }


SERVICE = strict(
    {
        "image": {"type": "string", "pattern": r"^[a-z0-9][a-z0-9._/-]*(:[\w.-]+)?$"},
        "build": strict(
            {
                "context": {"type": "string"},
                "target": {"type": "string"},
                "args": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "context",
        ),
        "command": STRINGS,
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "ports": {
            "type": "array",
            "items": {"type": "string", "pattern": r"^(\d+\.\d+\.\d+\.\d+:)?\d+:\d+$"},
        },
        "volumes": {"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+:/[\w/]+$"}},
        "depends_on": {
            "type": "object",
            "additionalProperties": strict(
                {
                    "condition": {
                        "enum": [
                            "service_started",
                            "service_healthy",
                            "service_completed_successfully",
                        ]
                    }
                },
                "condition",
            ),
        },
        "healthcheck": {
            "oneOf": [
                strict({"disable": {"const": True}}, "disable"),
                strict(
                    {
                        "test": {**STRINGS, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}]},
                        "interval": TIME,
                        "timeout": TIME,
                        "retries": {"type": "integer", "minimum": 1},
                    },
                    "test",
                ),
            ]
        },
        "stop_grace_period": TIME,
        "profiles": STRINGS,
        "restart": {"type": "string", "pattern": r"^(no|always|unless-stopped|on-failure(:\d+)?)$"},
        "init": {"type": "boolean"},
        "cap_drop": STRINGS,
        "security_opt": STRINGS,
        "shm_size": {"type": "string", "pattern": r"^\d+[bkmg]$"},
        "logging": strict(
            {
                "driver": {"type": "string"},
                "options": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "driver",
        ),
    },
    "image",
    "restart",
)
SCHEMA = {
    "type": "object",
    "properties": {
        "services": {"type": "object", "additionalProperties": SERVICE, "minProperties": 1},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "required": ["services"],
    "additionalProperties": False,
}


@cache
def compose() -> dict[str, Any]:
    """Return the parsed compose file, anchors resolved."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


@cache
def dockerfile() -> list[str]:
    """Return the instructions of the Dockerfile, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [line for line in joined.splitlines() if line]


def copied() -> list[str]:
    """Return the paths of the build context that the Dockerfile copies."""
    copies = [line.split()[1:] for line in dockerfile() if line.startswith("COPY ")]
    return [path for words in copies if "--from" not in words[0] for path in words[:-1]]


def procfile() -> dict[str, str]:
    """Return the commands of the Procfile by process name."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    pairs = [line.split(":", 1) for line in lines if not line.startswith("#")]
    return {name: command.strip() for name, command in pairs}


def test_the_file_fits_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(compose(), SCHEMA)


def test_names_refer_to_what_exists() -> None:
    services, volumes = compose()["services"], set(compose()["volumes"])
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= set(services), name
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= volumes, name
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], f"{name} waits for {needed}"
            if how["condition"] == "service_completed_successfully":
                assert services[needed]["restart"].startswith(("no", "on-failure")), needed


def test_every_worker_service_is_a_role_and_every_queue_has_a_consumer() -> None:
    services = compose()["services"]
    workers = {name: s["command"] for name, s in services.items() if name not in OTHER_SERVICES}
    assert workers == {name: [name] for name in (*ROLES, BEAT)}
    settings = Settings.from_env(services["shard"]["environment"])
    queues = {queue for name in ROLES for queue in ROLES[name].queues(settings)}
    shards = {contract.shard_queue(shard) for shard in range(4)}
    assert queues == {*contract.QUEUES, *shards}
    assert all(services[name]["build"]["target"] == "worker" for name in workers)
    assert any(line == 'ENTRYPOINT ["python", "-m", "workers"]' for line in dockerfile())


def test_migrate_is_a_command_that_ends_before_the_others_start() -> None:
    services = compose()["services"]
    program, command = services["migrate"]["command"]
    assert program == "visearch"
    assert command in main.commands
    for name in set(services) - {"postgres", "redis", "migrate"}:
        condition = services[name]["depends_on"]["migrate"]["condition"]
        assert condition == "service_completed_successfully", name


def test_every_variable_is_a_setting_and_has_a_value_that_parses() -> None:
    for name, service in compose()["services"].items():
        environ = {k: v for k, v in service.get("environment", {}).items() if k.startswith(PREFIX)}
        assert set(environ) <= KNOWN, name
        Settings.from_env(environ).check_bind()
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "Procfile")]
    texts.append((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))  # comments too
    assert set(re.findall(r"VISEARCH_[A-Z_]+", "\n".join(texts))) <= KNOWN


def test_only_the_web_service_is_published_and_on_loopback_only() -> None:
    published = {n: s["ports"] for n, s in compose()["services"].items() if "ports" in s}
    assert published == {"web": ["127.0.0.1:8000:8000"]}


def test_what_the_dockerfile_copies_exists_and_is_not_ignored() -> None:
    assert copied()
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    for path in copied():
        assert (ROOT / path).exists(), f"COPY {path}: there is no such path"
        assert any(fnmatch(path, rule) for rule in allowed), f".dockerignore leaves out {path}"


def test_the_stages_and_extras_of_the_dockerfile_exist() -> None:
    stages = {line.split()[-1] for line in dockerfile() if line.startswith("FROM ")}
    sources = {part for line in dockerfile() for part in re.findall(r"--from=(\S+)", line)}
    assert sources <= stages
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.M))
    for name, service in compose()["services"].items():
        if build := service.get("build"):
            assert build["target"] in stages, name
            assert set(build["args"]["EXTRAS"].split(",")) <= extras, name


def test_the_images_do_not_run_as_root_and_web_reports_its_health() -> None:
    assert "USER visearch" in dockerfile()
    check = next(line for line in dockerfile() if line.startswith("HEALTHCHECK"))
    argv = json.loads(check.split(" CMD ", 1)[1])
    assert argv[:2] == ["python", "-c"]
    compile(argv[2], "HEALTHCHECK", "exec")
    assert "/healthz" in argv[2]


def test_the_procfile_runs_every_role_once() -> None:
    """But shard workers: each would need its own numbers."""
    commands = procfile()
    roles = [name for name in (*ROLES, BEAT) if name != "shard"]
    assert set(commands) == {"redis", "web", *roles}
    assert commands["web"] == "exec python -m web"
    for name in roles:
        assert commands[name] == f"exec python -m workers {name}"
    port = re.search(r"--port (\d+)", commands["redis"])
    assert port is not None
    text = (ROOT / "Procfile").read_text(encoding="utf-8")
    assert f"VISEARCH_REDIS_URL=redis://127.0.0.1:{port[1]}/0" in text


def test_docker_accepts_the_file() -> None:
    docker = shutil.which("docker")
    command = [docker or "docker", "compose", "version"]
    if docker is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("NO DOCKER COMPOSE: the client is not installed")
    result = subprocess.run(
        [docker, "compose", "config", "--quiet"],
        cwd=ROOT,
        env={**os.environ, "POSTGRES_PASSWORD": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
