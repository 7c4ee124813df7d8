"""The same small application as for the web room's own tests, driven from outside."""

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).parents[1] / "unit" / "web" / "conftest.py"
_spec = importlib.util.spec_from_file_location("web_sample", _PATH)
sample = importlib.util.module_from_spec(_spec)
sys.modules["web_sample"] = sample  # annotations of its models are read from here
_spec.loader.exec_module(sample)

app = sample.app
place = sample.place
api = sample.api
faults_fixture = sample.faults_fixture
