"""The Python client, `slipway run`, `runs diff` and `runs repro` against the real server: a run is captured, done again, and judged."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402

SDK = harness.ROOT / "sdk" / "python"
sys.path.insert(0, str(SDK))
for variable in [name for name in os.environ if name.startswith(("MLFLOW_", "SLIPWAY_")) and name != "SLIPWAY_BINARY"]:
    del os.environ[variable]
import slipway  # noqa: E402

ROOT = pathlib.Path(tempfile.mkdtemp(prefix="slipway-sdk-"))
TRAIN = """
import os, pathlib, random, sys
sys.path.insert(0, os.environ["SDK"])
import slipway
seed = os.environ.get("SEED_FILE")
random.seed(int(pathlib.Path("seed.txt").read_text()))
rows = pathlib.Path("data/rows.csv").read_text() if os.path.exists("data/rows.csv") else ""
weight = random.random() + len(rows)
with slipway.Client().start_run() as run:
    run.log_params({"rows": len(rows)})
    run.log_metric("weight", weight)
pathlib.Path("model.txt").write_text(f"{weight!r} {hash('a')}")
print("trained")
print("warned", file=sys.stderr)
"""
UNSEEDED = TRAIN.replace('random.seed(int(pathlib.Path("seed.txt").read_text()))', "")
# The number that is reported is seeded, the file isn't.
STAMPED = TRAIN.replace('f"{weight!r} {hash(\'a\')}"', "os.urandom(8).hex()")


def git(where, *words):
    subprocess.run(("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words), cwd=where, check=True, capture_output=True)


def repository(name, script=TRAIN):
    """A repository with a commit, an environment without packages, and data that git ignores."""
    where = ROOT / name
    (where / "data").mkdir(parents=True)
    (where / "train.py").write_text(script)
    (where / "seed.txt").write_text("1\n")
    (where / ".gitignore").write_text("data/\n")
    (where / "data" / "rows.csv").write_text("a,b\n1,2\n")
    git(where, "init", "-q", "-b", "main")
    git(where, "add", ".")
    git(where, "commit", "-q", "-m", "first")
    return where


def python():
    place = ROOT / "env"
    if not place.exists():
        subprocess.run((sys.executable, "-m", "venv", "--without-pip", place), check=True)
    return str(place / "bin" / "python")


def cli(server, where, *words, code=0, env=None, url=None):
    done = subprocess.run((harness.BINARY, *words), cwd=where, capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "SDK": str(SDK), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
                               "SLIPWAY_URL": url or server.url, **(env or {})})
    equal(done.returncode, code, f"slipway {' '.join(words)}\n{done.stdout}\n{done.stderr}\nexit status")
    return done


def run_id(done):
    line = [text for text in done.stderr.splitlines() if text.startswith("run ")][-1]
    return line.split()[1]


def train(server, where, code=0, extra=(), env=None):
    return run_id(cli(server, where, "run", "--experiment", "e2e", "--data", "data/rows.csv", "--out", "model.txt", *extra, "--",
                      python(), "train.py", code=code, env=env))


def answer(done):
    return json.loads(done.stdout)


def client(server):
    return slipway.Client(server.url)


def test_the_client_from_end_to_end(server):
    c = client(server)
    experiment = c.experiments.ensure("typed")
    equal(c.experiments.ensure("typed"), experiment, "the same experiment again")
    with c.start_run("typed", name="first", tags={"team": "a"}) as run:
        run.log_params({f"p{i}": i for i in range(150)})
        for step in range(2100):
            run.log_metric("loss", 1 / (step + 1), step)
        run.log_metric("nan", float("nan"))
        run.put_artifact("notes/a.txt", "hello")
        folder = ROOT / "up"
        folder.mkdir()
        (folder / "x.bin").write_bytes(bytes(range(256)) * 5000)
        equal(run.client.artifacts.upload(run.run_id, folder, "files"), ["files/x.bin"], "what was uploaded")
    got = c.runs.get(run.run_id)
    equal((got.status, got.name, len(got.params), got.tags["team"]), ("FINISHED", "first", 150, "a"), "the run")
    equal(len(list(c.runs.history(run.run_id, "loss"))), 2100, "points")
    true(got.metrics["nan"] != got.metrics["nan"], "NaN comes back as NaN")
    equal(c.artifacts.get(run.run_id, "notes/a.txt"), b"hello", "an artifact")
    equal({f.path: f.is_dir for f in c.artifacts.list(run.run_id)}, {"files": True, "notes": True}, "listed")
    digest = c.artifacts.download(run.run_id, "files/x.bin", ROOT / "down.bin")
    equal((ROOT / "down.bin").read_bytes(), (folder / "x.bin").read_bytes(), f"downloaded, sha256 {digest}")
    equal([r.run_id for r in c.runs.search([experiment.experiment_id], "metrics.loss < 0.5")], [run.run_id], "found")
    c.runs.delete(run.run_id)
    equal(list(c.runs.search([experiment.experiment_id])), [], "after deletion")
    c.runs.restore(run.run_id)
    c.experiments.delete(experiment.experiment_id)
    equal(c.experiments.get(experiment.experiment_id).lifecycle_stage, "deleted", "experiment")
    c.experiments.restore(experiment.experiment_id)


def test_the_registry_by_the_client(server):
    c = client(server)
    with c.start_run() as run:
        run.log_metric("accuracy", 0.9)
        run.put_artifact("model/MLmodel", harness.MLMODEL)
        run.put_artifact("model/model.onnx", harness.linear_classifier([[-1, 0], [1, 0]]))
    version = c.models.register("typed-model", run.run_id)
    equal((version.version, version.run_id), (1, run.run_id), "the version")
    c.models.set_alias("typed-model", "candidate", 1)
    equal(c.models.by_alias("typed-model", "candidate").version, 1, "by alias")
    true(not c.models.gate("typed-model", 1, [{"kind": "floor", "metric": "accuracy", "min": 0.95}]).passed, "the floor is too high")
    true(c.models.gate("typed-model", 1, [{"kind": "floor", "metric": "accuracy", "min": 0.75}]).passed, "the floor holds")
    c.models.drop_alias("typed-model", "candidate")
    true(any(m["name"] == "typed-model" for m in c.models.list()), "listed")


def test_errors_say_code_cause_and_class(server):
    c = client(server)
    cases = [(lambda: c.runs.get("0" * 32), slipway.NotFound, "RESOURCE_DOES_NOT_EXIST"),
             (lambda: c.models.show("nothing"), slipway.NotFound, None),
             (lambda: c.experiments.create("Default"), slipway.Conflict, "RESOURCE_ALREADY_EXISTS"),
             (lambda: c.runs.judge("0" * 32, "1" * 32), slipway.NotFound, None),
             (lambda: slipway.Client("http://127.0.0.1:9").status(), slipway.Unavailable, "net.unreachable")]
    for call, kind, code in cases:
        try:
            call()
        except slipway.SlipwayError as error:
            equal(type(error), kind, f"class of {error}")
            true(error.cause and (code is None or error.code == code), f"{error.code}: {error.cause}")
        else:
            raise AssertionError(f"{kind.__name__} expected")


def test_a_dirty_seeded_run_is_reproduced_to_the_bit(server):
    where = repository("seeded")
    (where / "seed.txt").write_text("7\n")  # Not committed.
    (where / "extra.py").write_text("# new\n")
    (where / "uv.toml.txt").write_text("no lock\n")
    status = subprocess.run(("git", "status", "--porcelain"), cwd=where, capture_output=True, check=True).stdout
    first = train(server, where, extra=("--param", "lr=0.1", "--tag", "team=a"))
    c = client(server)
    run = c.runs.get(first)
    equal((run.status, run.params["lr"], run.params["rows"], run.tags["team"]), ("FINISHED", "0.1", "8", "a"), "the run")
    equal(run.tags["slipway.code.dirty"], "true", "dirty")
    record = json.loads(c.artifacts.get(first, "slipway/capture.json"))
    equal(record["format"], "slipway.capture/1", "format")
    equal(record["exit"], {"code": 0, "signal": 0}, "exit")
    equal(record["determinism"]["PYTHONHASHSEED"], "0", "seeds")
    equal(record["environment"]["interpreter"]["version"], ".".join(map(str, sys.version_info[:3])), "interpreter")
    true(record["machine"]["cpu_flags"], "CPU flags")
    equal([d["path"] for d in record["data"]], ["data/rows.csv"], "data")
    patch = c.artifacts.get(first, "slipway/code.patch").decode()
    true("extra.py" in patch and "+7" in patch and "rows.csv" not in patch and "model.txt" not in patch, f"the patch:\n{patch}")
    equal(c.artifacts.get(first, "slipway/stdout.log"), b"trained\n", "stdout")
    equal(c.artifacts.get(first, "slipway/stderr.log"), b"warned\n", "stderr")
    equal(c.artifacts.get(first, "outputs/model.txt"), (where / "model.txt").read_bytes(), "the output")

    (where / "seed.txt").write_text("8\n")  # What happens here later has no part in it.
    done = cli(server, where, "runs", "repro", first, "--json")
    found = answer(done)
    equal(found["verdict"], "bit-identical", f"{done.stdout}{done.stderr}\nverdict")
    equal([(o["path"], o["same"]) for o in found["outputs"]], [("model.txt", True)], "outputs")
    true("trained" in done.stderr, "what it printed is shown aside")
    equal((where / "seed.txt").read_text(), "8\n", "the work tree")
    again = c.runs.get(found["again_run_id"])
    equal((again.status, again.tags["slipway.reproduces"]), ("FINISHED", first), "the run that did it again")
    equal([r.verdict for r in c.runs.reproductions(first)], ["bit-identical"], "kept by the server")
    shown = answer(cli(server, where, "runs", "show", first[:12], "--json"))
    equal((shown["run_id"], shown["reproductions"][0]["verdict"]), (first, "bit-identical"), "shown by a prefix")
    verbs = [e["verb"] for e in server.api().get(f"ledger?uid={first}&limit=100")["items"]]
    true("run.reproduced" in verbs, f"in the ledger: {verbs}")
    (where / "seed.txt").write_text("7\n")
    equal(subprocess.run(("git", "status", "--porcelain"), cwd=where, capture_output=True, check=True).stdout.replace(b"?? model.txt\n", b""),
          status, "the repository")


def test_an_unseeded_run_is_different(server):
    where = repository("unseeded", UNSEEDED)
    first = train(server, where)
    found = answer(cli(server, where, "runs", "repro", first, "--json", code=10))
    equal(found["verdict"], "different", "verdict")
    equal([(m["key"], m["same"]) for m in found["metrics"]], [("weight", False)], "metrics")
    rows = answer(cli(server, where, "runs", "diff", first, found["again_run_id"], "--json", code=10))["items"]
    equal({(r["section"], r["name"]) for r in rows if r["section"] in ("metrics", "outputs")},
          {("metrics", "weight"), ("outputs", "model.txt")}, "the difference")


def test_a_stamped_file_is_metric_identical(server):
    where = repository("stamped", STAMPED)
    first = train(server, where)
    found = answer(cli(server, where, "runs", "repro", first, "--json"))
    equal((found["verdict"], found["outputs"][0]["same"], found["metrics"][0]["same"]), ("metric-identical", False, True), "verdict")
    found = answer(cli(server, where, "runs", "repro", first, "--json", "--no-rebuild"))
    equal((found["verdict"], found["environment"]), ("metric-identical", "not rebuilt"), "with what is here")


def wheel(folder, version):
    """A distribution with one module, as an index would hand it out."""
    folder.mkdir(exist_ok=True)
    info = f"onething-{version}.dist-info"
    with zipfile.ZipFile(folder / f"onething-{version}-py3-none-any.whl", "w") as out:
        out.writestr("onething.py", f"VALUE = {version.split('.')[0]}\n")
        out.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: onething\nVersion: {version}\n")
        out.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        out.writestr(f"{info}/RECORD", f"onething.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def test_the_environment_is_built_from_its_list(server):
    where = repository("packages", "import onething\nopen('model.txt', 'w').write(str(onething.VALUE))\n")
    links, env = ROOT / "links", ROOT / "full-env"
    for version in ("1.0", "2.0"):
        wheel(links, version)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links), "UV_OFFLINE": "1", "UV_FIND_LINKS": str(links), "UV_NO_INDEX": "1"}
    subprocess.run((sys.executable, "-m", "venv", env), check=True)
    subprocess.run((env / "bin/python", "-m", "pip", "uninstall", "-q", "-y", "setuptools"), check=True)  # No index has it here.
    subprocess.run((env / "bin/python", "-m", "pip", "install", "-q", "onething==1.0"), check=True, env={**os.environ, **offline})
    first = run_id(cli(server, where, "run", "--out", "model.txt", "--", str(env / "bin/python"), "train.py"))
    true("onething==1.0" in client(server).artifacts.get(first, "slipway/packages.txt").decode().splitlines(), "the list")
    subprocess.run((env / "bin/python", "-m", "pip", "install", "-q", "onething==2.0"), check=True, env={**os.environ, **offline})
    found = answer(cli(server, where, "runs", "repro", first, "--json", env=offline))
    equal(found["verdict"], "bit-identical", f"{found['environment']}: verdict")
    found = answer(cli(server, where, "runs", "repro", first, "--json", "--no-rebuild", code=10))
    equal(found["verdict"], "different", "with what is installed by now")
    (links / "onething-1.0-py3-none-any.whl").unlink()
    done = cli(server, where, "runs", "repro", first, code=5, env={**offline, "UV_CACHE_DIR": str(ROOT / "empty-cache")})
    true("repro.environment_failed" in done.stderr and "onething" in done.stderr, done.stderr)


def test_the_environment_is_built_by_uv_where_it_is(server):
    if not shutil.which("uv"):
        print("skipped: no uv on this machine", flush=True)
        return
    where = repository("locked")
    (where / "pyproject.toml").write_text('[project]\nname = "locked"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = []\n'
                                          '[tool.uv]\npackage = false\n')
    subprocess.run(("uv", "lock", "--quiet", "--offline"), cwd=where, check=True)
    first = train(server, where)
    found = answer(cli(server, where, "runs", "repro", first, "--json", env={"UV_OFFLINE": "1"}))
    equal(found["verdict"], "bit-identical", f"{found['environment']}: verdict")
    true(found["environment"].startswith("uv.lock"), found["environment"])


def test_runs_that_differ_say_in_what(server):
    where = repository("diff")
    a = train(server, where, extra=("--param", "lr=1",))
    (where / "seed.txt").write_text("2\n")
    (where / "data" / "rows.csv").write_text("a,b\n1,3\n")
    b = train(server, where, extra=("--param", "lr=2",), env={"OMP_NUM_THREADS": "3"})
    rows = answer(cli(server, where, "runs", "diff", a, b, "--json", code=10))["items"]
    names = {(r["section"], r["name"]) for r in rows}
    for want in (("params", "lr"), ("metrics", "weight"), ("code", "patch_sha256"), ("environment", "OMP_NUM_THREADS"),
                 ("data", "data/rows.csv"), ("outputs", "model.txt")):
        true(want in names, f"{want} in {sorted(names)}")
    equal(cli(server, where, "runs", "diff", a, a).stdout, "", "a run and itself")
    # What it read is no longer there: that is said before anything runs.
    done = cli(server, where, "runs", "repro", a, code=8)
    true("repro.data_changed" in done.stderr, done.stderr)
    (where / "data" / "rows.csv").unlink()
    true("repro.data_gone" in cli(server, where, "runs", "repro", a, code=3).stderr, "data gone")


def test_how_the_command_ends_is_how_the_run_ends(server):
    where = repository("ends")
    c = client(server)
    for script, code, status in (("exit 3", 3, "FAILED"), ("kill -9 $$", 137, "KILLED"), ("true", 0, "FINISHED")):
        done = cli(server, where, "run", "--", "sh", "-c", script, code=code)
        run = c.runs.get(run_id(done))
        equal((run.status, run.tags["slipway.exit_code"]), (status, str(code)), script)
    done = cli(server, where, "run", "--out", "never.bin", "--", "true", code=1)
    true("never.bin" in done.stderr, done.stderr)
    equal(c.runs.get(run_id(done)).status, "FAILED", "an output that isn't made")
    done = cli(server, where, "run", "--", "/nowhere/program", code=3)
    true("process.not_found" in done.stderr, done.stderr)
    # A command that has neither a metric nor an output can't be judged.
    silent = run_id(cli(server, where, "run", "--", "true"))
    true("repro.nothing_to_compare" in cli(server, where, "runs", "repro", silent, code=5).stderr, "nothing to compare")


def test_a_stopped_run_is_killed(server):
    where = repository("stopped")
    process = subprocess.Popen((harness.BINARY, "run", "--", "sh", "-c", "echo begun; exec sleep 60"), cwd=where, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "SLIPWAY_URL": server.url})
    equal(process.stdout.readline(), "begun\n", "its first line, while it runs")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    equal(process.returncode, 128 + signal.SIGTERM, f"exit status\n{err}")
    line = [text for text in err.splitlines() if text.startswith("run ")][-1]
    equal(client(server).runs.get(line.split()[1]).status, "KILLED", "the run")


def test_without_git_the_rest_is_captured(server):
    where = ROOT / "bare"
    where.mkdir()
    done = cli(server, where, "run", "--out", "x", "--", "sh", "-c", "echo 1 > x")
    true("no git commit" in done.stderr, done.stderr)
    record = json.loads(client(server).artifacts.get(run_id(done), "slipway/capture.json"))
    equal((record["code"], record["outputs"][0]["path"]), (None, "x"), "the record")
    true("repro.no_code" in cli(server, where, "runs", "repro", run_id(done), code=5).stderr, "nothing to check out")


def test_nobody_there_and_wrong_ids(server):
    where = repository("wrong")
    done = cli(server, where, "run", "--", "touch", "started", code=7, url="http://127.0.0.1:9")
    true("127.0.0.1:9" in done.stderr and "slipway serve" in done.stderr, done.stderr)
    true(not (where / "started").exists(), "nothing was started")
    for words in (("runs", "show", "0" * 32), ("runs", "show", "zzzz"), ("runs", "show", "abcdef12"),
                  ("runs", "diff", "0" * 32, "1" * 32), ("runs", "repro", "0" * 32), ("exp", "show", "nothing"),
                  ("exp", "show", "999"), ("exp", "delete", "999"), ("run", "--data", "nothing.csv", "--", "true"),
                  ("run", "--data", "data:nothing@1", "--", "true")):
        cli(server, where, *words, code=3)
    problem = json.loads(cli(server, where, "runs", "show", "0" * 32, "--json", code=3).stderr)
    equal((problem["code"], problem["status"]), ("run.not_found", 404), "as JSON")


def test_runs_and_experiments_by_command(server):
    where = ROOT
    made = answer(cli(server, where, "exp", "create", "by-hand", "--json"))
    equal(answer(cli(server, where, "exp", "show", "by-hand", "--json")), made, "by name")
    cli(server, where, "exp", "create", "by-hand", code=5)
    done = cli(server, where, "exp", "delete", "by-hand")
    true(f"slipway exp restore {made['experiment_id']}" in done.stderr, "how to undo it")
    gone = answer(cli(server, where, "exp", "list", "--deleted", "--json"))["items"]
    equal([e["name"] for e in gone], ["by-hand"], "deleted ones")
    cli(server, where, "exp", "restore", made["experiment_id"])
    c = client(server)
    runs = [c.runs.create(made["experiment_id"], f"r{i}") for i in range(3)]
    for i, run in enumerate(runs):
        c.runs.log(run.run_id, [slipway.Metric("m", i)])
        c.runs.end(run.run_id)
    listed = answer(cli(server, where, "runs", "list", "--experiment", "by-hand", "--filter", "metrics.m > 0",
                        "--order-by", "metrics.m DESC", "--json"))["items"]
    equal([r["name"] for r in listed], ["r2", "r1"], "filtered and ordered")
    equal(len(cli(server, where, "runs", "list", "--experiment", "by-hand", "--limit", "2").stdout.splitlines()), 2, "limit")
    true(cli(server, where, "runs", "show", runs[0].run_id, "--watch").stdout.startswith("run_id"), "a run that has ended")


def test_a_run_is_watched_until_it_ends(server):
    c = client(server)
    run = c.runs.create()
    process = subprocess.Popen((harness.BINARY, "runs", "show", run.run_id, "--watch", "--json"), text=True, stdout=subprocess.PIPE,
                               env={**os.environ, "SLIPWAY_URL": server.url})
    equal(json.loads(process.stdout.readline())["status"], "RUNNING", "at first")
    c.runs.log(run.run_id, [slipway.Metric("m", 1)])
    c.runs.end(run.run_id)
    last = json.loads(process.communicate(timeout=60)[0].splitlines()[-1])
    equal((last["status"], last["metrics"], process.returncode), ("FINISHED", {"m": 1}, 0), "at the end")


def test_capture_by_the_client(server):
    where = repository("captured", """
import os, sys
sys.path.insert(0, os.environ["SDK"])
import slipway
with slipway.Client().start_run("captured") as run:
    run.log_metric("m", 1)
    open("model.txt", "w").write("x")
    taken = run.capture(data=["data/rows.csv"], out=["model.txt"])
    print(run.run_id)
""")
    env = {**os.environ, "SDK": str(SDK), "SLIPWAY_URL": server.url, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run((python(), "train.py"), cwd=where, env=env, capture_output=True, text=True, check=True)
    first = done.stdout.strip()
    c = client(server)
    run = c.runs.get(first)
    equal(run.tags["slipway.code.dirty"], "false", "the output is no part of the code")
    record = json.loads(c.artifacts.get(first, "slipway/capture.json"))
    equal(record["tool"], "slipway-python", "who wrote it")
    found = answer(cli(server, where, "runs", "repro", first, "--json"))
    equal((found["verdict"], found["outputs"][0]["same"]), ("bit-identical", True), "the same record serves")


if __name__ == "__main__":
    try:
        harness.run(globals())
    finally:
        shutil.rmtree(ROOT, ignore_errors=True)
