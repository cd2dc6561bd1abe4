import subprocess
import sys

MODULES = "attempts claims cleaning drift index journal migrate observer result store"


def test_the_room_imports_nothing_heavy():
    """Planning and `status` import it; torch and Lightning cost seconds."""
    code = f"""
import importlib, sys
for name in "{MODULES}".split():
    importlib.import_module(f"sgdlab.runs.{{name}}")
heavy = {{"torch", "pytorch_lightning", "lightning", "wandb", "numpy", "scipy", "pandas", "matplotlib"}}
print(sorted(heavy & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
