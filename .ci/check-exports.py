"""Checks exported manifests against the schemas of Kubernetes and of compose, without a network.

    python3 .ci/check-exports.py [DIR]       DIR has kubernetes/ and compose/; default: what the tests keep

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
    return [found for found in yaml.safe_load_all(path.read_text()) if found]


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


def main():
    top = pathlib.Path(__file__).parent.parent
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else top / "testnet/tests/exports"
    count = kubernetes(directory / "kubernetes")
    compose(directory / "compose/compose.yaml")
    print(f"{count} Kubernetes objects and a compose file are valid")


main()
