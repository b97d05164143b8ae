"""Checks exported manifests against the schemas of Kubernetes and of compose, without a network, and that PyYAML,
which reads YAML 1.1, finds in them what was meant.

    python3 .ci/check-exports.py [DIR]       DIR has directories named for engines; default: what the tests keep

The schemas come in the packages kubernetes-validate and check-jsonschema, which .ci/run installs.
"""

import pathlib
import subprocess
import sys

import kubernetes_validate
import yaml

# The oldest and the newest that the package has, of those still in use.
VERSIONS = ["1.32", "1.37"]


def documents(path):
    found = [found for found in yaml.safe_load_all(path.read_text()) if found]
    for document in found:
        check_keys(document, path)
    return found


def check_keys(value, path):
    """No key is anything but a text: YAML 1.1 takes a plain `no` for False."""
    if isinstance(value, dict):
        for key, inner in value.items():
            assert isinstance(key, str), f"{path}: the key {key!r} is no text"
            check_keys(inner, path)
    elif isinstance(value, list):
        for inner in value:
            check_keys(inner, path)


def names(path, key):
    """What stands at `key` are the hosts of agents.txt, and the driver."""
    found = documents(path)[0][key]
    lines = (path.parent / "agents.txt").read_text().splitlines()
    hosts = [line.split("//")[1].split(":")[0] for line in lines if not line.startswith("#")]
    assert list(found)[:-1] == hosts, (list(found), hosts)


def kubernetes(directory):
    """Every object is valid, and what kustomization.yaml names is there."""
    count = 0
    named = documents(directory / "kustomization.yaml")[0]["resources"]
    manifests = sorted(path.name for path in directory.glob("*.yaml"))
    assert sorted(named + ["kustomization.yaml"]) == manifests, (named, manifests)
    for name in named:
        for found in documents(directory / name):
            for version in VERSIONS:
                kubernetes_validate.validate(found, version, strict=True)
            count += 1
    return count


def compose(path):
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    names(path, "services")


def main():
    top = pathlib.Path(__file__).parent.parent
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else top / "testnet/tests/exports"
    count = sum(kubernetes(path.parent) for path in sorted(directory.rglob("kustomization.yaml")))
    composed = sorted(directory.rglob("compose.yaml"))
    for path in composed:
        compose(path)
    shadows = sorted(directory.rglob("shadow.yaml"))
    for path in shadows:
        names(path, "hosts")
    assert count and composed and shadows, f"{directory} lacks an engine"
    print(f"{count} Kubernetes objects, {len(composed)} compose files and {len(shadows)} of Shadow are valid")


main()
