"""`slipway migrate mlflow` takes over a store that MLflow 3.17.2 itself wrote: its client reads the same from both.

Runs with NaN, infinity and odd names, a deleted run, inputs, logged models, a model with stages and aliases, a prompt, traces with
assessments, files. Killed half-way and taken up again; again nothing changes; what differs is exit code 8, --update takes it over.
The same from PostgreSQL, and from a directory of artifacts. With --auth only an administrator's token will do.
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import setup  # noqa: E402
import postgres  # noqa: E402

sys.path.append(str(setup.packages("pip_mlflow_server")))  # MLflow's SQL store.
for variable in [name for name in os.environ if name.startswith("MLFLOW_")]:
    del os.environ[variable]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

import mlflow  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import AssessmentSource, Metric, SpanEvent  # noqa: E402

STEPS = 1_500  # More than one request of points.
MANY = 60  # Runs that take long enough to be killed among.
DIFFERS = 8
LOCATION = "mlflow.artifactLocation"


def fill_runs(client, experiment):
    ids = []
    for i in range(3):
        run = client.create_run(experiment, run_name=f"r{i}").info.run_id
        ids.append(run)
        for step in range(20):
            client.log_metric(run, "loss", 1 / (step + 1), step=step, timestamp=1000 + step)
        client.log_metric(run, "bad", float("nan"))
        client.log_metric(run, "up", float("inf"))
        client.log_metric(run, "down", float("-inf"))
        client.log_param(run, "p", str(i))
        client.set_tag(run, "ü", "✓")
        client.log_text(run, "text of " + run, "notes/ü b.txt")
        client.set_terminated(run, "FINISHED" if i else "FAILED")
    for begin in range(0, STEPS, 500):
        client.log_batch(ids[1], [Metric("long", step * 0.5, 2000 + step, step) for step in range(begin, begin + 500)])
    client.delete_run(ids[2])
    return ids


def fill_models(client):
    """A run with dataset, logged model and its metrics; a registered model of three versions, one deleted; a prompt."""
    class Echo(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input: list[str]) -> list[str]:
            return model_input

    import pandas
    with mlflow.start_run() as run:
        data = mlflow.data.from_pandas(pandas.DataFrame({"a": [1, 2]}), name="train")
        mlflow.log_input(data, context="training", tags={"k": "v"})
        made = mlflow.pyfunc.log_model(name="model", python_model=Echo(), registered_model_name="reg", pip_requirements=[],
                                       params={"depth": 3})
        for name, value in (("acc", 0.5), ("nan", float("nan")), ("inf", float("inf"))):
            mlflow.log_metric(name, value, model_id=made.model_id, dataset=data)
    for _ in range(3):
        client.create_model_version("reg", f"models:/{made.model_id}", run.info.run_id, description="again")
    client.delete_model_version("reg", "4")
    client.delete_model_version("reg", "2")
    client.transition_model_version_stage("reg", "1", "Archived")
    client.transition_model_version_stage("reg", "3", "Production")
    client.set_registered_model_alias("reg", "best", "3")
    client.set_registered_model_alias("reg", "first", "1")
    client.set_registered_model_tag("reg", "ü", "✓")
    client.set_model_version_tag("reg", "3", "t", "")
    client.update_registered_model("reg", "said")
    mlflow.genai.register_prompt(name="ask", template="Hi {{x}}", commit_message="c", tags={"t": "1"})
    mlflow.genai.register_prompt(name="ask", template="Ho {{x}}")
    mlflow.genai.set_prompt_alias("ask", "live", 2)
    return run.info.run_id, made.model_id


def fill_traces():
    @mlflow.trace(attributes={"n": 1, "f": 2.0, "s": "s", "l": [1, 2.5, None, True], "d": {"q": {"ü": []}}})
    def outer(x):
        with mlflow.start_span("inner", span_type="TOOL") as span:
            span.set_inputs({"a": x})
            span.add_event(SpanEvent("ev", attributes={"m": 1}))
        mlflow.update_current_trace(tags={"who": "✓"}, metadata={"mlflow.trace.session": "s1", "own": "x"})
        return x + 1

    @mlflow.trace
    def fails():
        raise ValueError("bad")

    outer(3)
    ids = [mlflow.get_last_active_trace_id()]
    try:
        fails()
    except ValueError:
        pass
    ids.append(mlflow.get_last_active_trace_id())
    human = AssessmentSource(source_type="HUMAN", source_id="me")
    said = mlflow.log_feedback(trace_id=ids[0], name="q", value=0.5, rationale="r", source=human, metadata={"x": "y"})
    mlflow.override_feedback(trace_id=ids[0], assessment_id=said.assessment_id, value=True, source=human)
    mlflow.log_expectation(trace_id=ids[0], name="e", value={"a": [1]}, source=human)
    mlflow.log_expectation(trace_id=ids[0], name="t", value="text", source=human)
    mlflow.log_feedback(trace_id=ids[1], name="err", error=mlflow.entities.AssessmentError("C", "M"))
    return ids


def fill(client):
    experiment = client.create_experiment("moved", tags={"team": "x"})
    gone = client.create_experiment("gone")
    client.create_run(gone)
    client.delete_experiment(gone)
    mlflow.set_experiment("moved")
    runs = fill_runs(client, experiment)
    run, model = fill_models(client)
    traces = fill_traces()
    client.link_traces_to_run(traces[:1], runs[0])
    client.link_prompt_versions_to_trace([client.get_prompt_version("ask", "2")], traces[1])
    many = client.create_experiment("many")
    for i in range(MANY):
        one = client.create_run(many).info.run_id
        client.log_batch(one, [Metric("m", float(step), step, step) for step in range(300)])
        client.log_text(one, f"text {i}", "t.txt")
    return {"experiment": experiment, "runs": [*runs, run], "model": model, "traces": traces}


# ---------------------------------------------------------------- what a client reads, in a form that can be compared
def seen_run(client, run_id):
    run = client.get_run(run_id)
    info = run.info
    points = {key: [(m.step, m.timestamp, repr(m.value)) for m in client.get_metric_history(run_id, key)]
              for key in sorted(run.data.metrics)}
    return {"params": run.data.params, "tags": run.data.tags, "points": points,
            "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
            "info": (info.status, info.start_time, info.end_time, info.lifecycle_stage, info.run_name, info.user_id),
            "inputs": sorted((d.dataset.to_dictionary().items() and json.dumps(d.dataset.to_dictionary(), sort_keys=True),
                              sorted((t.key, t.value) for t in d.tags)) for d in run.inputs.dataset_inputs),
            "outputs": sorted((o.model_id, o.step) for o in run.outputs.model_outputs) if run.outputs else []}


def seen_model(client, model_id):
    m = client.get_logged_model(model_id)
    return {"head": (m.name, m.model_type or "", m.source_run_id, str(m.status), m.creation_timestamp, m.last_updated_timestamp),
            "tags": m.tags, "params": m.params,
            "metrics": sorted((x.key, repr(x.value), x.step, x.timestamp, x.run_id, x.dataset_name or "", x.dataset_digest or "")
                              for x in m.metrics)}


def seen_version(v):
    return (v.name, str(v.version), v.creation_timestamp, v.last_updated_timestamp, v.current_stage, v.description or "",
            v.source, v.run_id or "", v.user_id or "", sorted(v.aliases), sorted(v.tags.items()), v.status)


def seen_registry(client):
    prompt = "tags.`mlflow.prompt.is_prompt` = 'true'"
    models = [*client.search_registered_models(), *client.search_registered_models(filter_string=prompt)]
    out = {m.name: (m.creation_timestamp, m.last_updated_timestamp, m.description or "", sorted(m.tags.items()),
                    sorted((a, str(v)) for a, v in m.aliases.items())) for m in models}
    versions = []
    for name in out:
        for number in range(1, 5):
            try:
                versions.append(seen_version(client.get_model_version(name, str(number))))
            except mlflow.exceptions.MlflowException as error:
                versions.append((name, number, error.error_code))
    return out, versions


def seen_trace(client, trace_id):
    trace = client.get_trace(trace_id)
    info = trace.info.to_dict()
    for key in (LOCATION,):
        info["tags"].pop(key, None)
    info["trace_metadata"].pop("mlflow.trace.infoFinalized", None)
    info.pop("trace_location")  # Experiments may have other numbers.
    info["assessments"] = {said["assessment_id"]: {"valid": True, **said}  # Expectations lose it over REST.
                           for said in info.get("assessments", [])}
    return {"info": info, "spans": {span.span_id: span.to_dict() for span in trace.data.spans}}


def files_of(client, artifacts):
    """Paths below an address with digests, as the client downloads them."""
    with tempfile.TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(client.tracking_uri)
        got = pathlib.Path(mlflow.artifacts.download_artifacts(artifact_uri=artifacts, dst_path=folder))
        return {str(path.relative_to(got)): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(got.rglob("*")) if path.is_file()}


def same(got, want, what):
    """equal(), but an error names the place where two dictionaries begin to differ."""
    if isinstance(got, dict) and isinstance(want, dict) and got.keys() == want.keys():
        for key, value in want.items():
            same(got[key], value, f"{what}, {key}")
    else:
        equal(got, want, what)


def compare(theirs, ours, made):
    equal(ours.get_experiment_by_name("moved").tags["team"], "x", "tag of the experiment")
    equal(ours.get_experiment_by_name("gone").lifecycle_stage, "deleted", "deleted experiment")
    for run_id in made["runs"]:
        same(seen_run(ours, run_id), seen_run(theirs, run_id), f"run {run_id}")
    same(seen_model(ours, made["model"]), seen_model(theirs, made["model"]), "logged model")
    equal(seen_registry(ours), seen_registry(theirs), "registry")
    for trace_id in made["traces"]:
        same(seen_trace(ours, trace_id), seen_trace(theirs, trace_id), f"trace {trace_id}")
    linked = ours.search_traces(locations=[ours.get_experiment_by_name("moved").experiment_id], run_id=made["runs"][0])
    equal([t.info.trace_id for t in linked], made["traces"][:1], "traces of a run")
    linked = ours.search_traces(locations=[ours.get_experiment_by_name("moved").experiment_id], filter_string="prompt = 'ask/2'")
    equal([t.info.trace_id for t in linked], made["traces"][1:], "traces of a prompt")
    for run_id in made["runs"][:2]:
        equal(files_of(ours, f"runs:/{run_id}/notes"), files_of(theirs, f"runs:/{run_id}/notes"), "files of a run")
    got = files_of(ours, ours.get_model_version_download_uri("reg", "3"))
    equal(got, files_of(theirs, theirs.get_model_version_download_uri("reg", "3")), "files of a version")
    true("MLmodel" in got, "a version has its files")


# ---------------------------------------------------------------- the command
def command(server, source, *options, token=""):
    words = [str(harness.BINARY), "migrate", "mlflow", source, "--json", *options]
    return words, {**os.environ, "SLIPWAY_URL": server.url, "SLIPWAY_TOKEN": token}


def migrate(server, source, *options, token=""):
    words, env = command(server, source, *options, token=token)
    done = subprocess.run(words, capture_output=True, text=True, env=env, timeout=300, check=False)
    answer = json.loads(done.stdout) if done.stdout.strip() else {}
    rows = {row["kind"]: row for row in answer.get("items", [])}
    return done.returncode, rows, done.stderr, answer


def killed_half_way(server, ours, source):
    """SIGKILL when some of the runs are there; true when it was not yet done."""
    words, env = command(server, source)
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def some():
        try:
            many = ours.get_experiment_by_name("many")
            return many and len(ours.search_runs([many.experiment_id])) >= 3
        except mlflow.exceptions.MlflowException:
            return False
    harness.until("the first runs", some, 60, server)
    process.send_signal(signal.SIGKILL)
    equal(process.wait(60), -signal.SIGKILL, "it was killed at work")
    there = len(ours.search_runs([ours.get_experiment_by_name("many").experiment_id]))
    true(there < MANY, f"killed half-way: {there} of {MANY} runs")


def moved_whole(rows, answer, errors):
    true(answer["equal"] and answer["verified"], f"read back {errors}")
    for kind, row in rows.items():
        true(row.get("equal", True) and row.get("source_digest") == row.get("server_digest"), f"{kind}: {row}")
    equal(rows["points_nan"]["source"] >= 4 and rows["points_nan"]["equal"], True, "NaN counted")
    equal(rows["points_infinite"]["source"], 3 * 2 + 1, "infinities counted")


def from_sqlite(root, theirs, source, made):
    points = 3 * 23 + STEPS + 3 + MANY * 300
    with harness.Server(harness.BINARY, root / "data") as server:
        ours = MlflowClient(server.url)
        bad_rows(server)
        code, rows, errors, _ = migrate(server, source, "--dry-run")
        equal((code, rows["points"]["source"], rows["points"]["imported"]), (0, points, 0), f"a dry run {errors}")
        equal(ours.get_experiment_by_name("moved"), None, "a dry run changes nothing")
        killed_half_way(server, ours, source)
        code, rows, errors, answer = migrate(server, source)
        equal(code, 0, f"taken up again: {errors}")
        true(rows["runs"]["same"] > 0 and rows["runs"]["imported"] > 0, f"some were there: {rows['runs']}")
        moved_whole(rows, answer, errors)
        compare(theirs, ours, made)
        true(server.api().get("models/reg/versions/3")["digest"].startswith("sha256:"), "a version knows its files")
        code, rows, errors, _ = migrate(server, source)
        equal((code, rows["runs"]["imported"], rows["points"]["imported"], rows["artifacts"]["imported"],
               rows["model_versions"]["imported"]), (0, 0, 0, 0, 0), f"again {errors}")
        differing(server, ours, theirs, source, made)
        equal(migrate(server, f"{root}/none.db")[0], 3, "no such file")
        (root / "text").write_text("no database")
        equal(migrate(server, f"{root}/text")[0], 2, "no database")
        equal(migrate(server, source, "--workspace", "other")[0], 2, "no such workspace")


def bad_rows(server):
    """What a client of the import routes gets wrong is refused whole: nothing of it is there."""
    api = server.api()
    model = {"name": "bad", "tags": {}}
    version = {"name": "bad", "version": 1}
    rows = {"experiments": [{}, {"experiment_id": -1, "name": "b"}, {"experiment_id": 1, "name": 7}],
            "runs": [{}, {"run_id": "../x", "experiment_id": 0, "status": "FINISHED"},
                     {"run_id": "a" * 32, "experiment_id": 0, "status": "DONE"},
                     {"run_id": "a" * 32, "experiment_id": 0, "status": "FINISHED", "params": {"p": 1}},
                     {"run_id": "a" * 32, "experiment_id": 0, "status": "FINISHED", "datasets": [{"name": "d"}]}],
            "logged-models": [{}, {"model_id": "x", "experiment_id": 0, "name": "n", "status": 2},
                              {"model_id": "m-1", "experiment_id": 0, "name": "a/b", "status": 2},
                              {"model_id": "m-1", "experiment_id": 0, "name": "n", "status": 9}],
            "registered-models": [{}, {**model, "name": "a/b"}, {**model, "tags": []}, {**model, "last_version": -1}],
            "model-versions": [{}, {**version, "version": 0}, {**version, "stage": "Nowhere"}, {**version, "aliases": ["latest"]},
                               {**version, "aliases": "x"}]}
    for kind, items in rows.items():
        for item in items:
            harness.refused(api, "POST", f"imports/mlflow/{kind}", {"items": [item]})
        harness.refused(api, "POST", f"imports/mlflow/{kind}", {"items": {}})
        harness.refused(api, "POST", f"imports/mlflow/{kind}", {"items": [{}] * 1001})
    harness.refused(api, "POST", "imports/mlflow/artifacts", {"uri": "s3://b/x"})
    harness.refused(api, "POST", "imports/mlflow/artifacts", {"uri": "mlflow-artifacts:/../x"})
    harness.refused(api, "POST", "imports/mlflow/metrics", {"run_id": "a" * 32, "points": []}, status=404)
    equal(api.get("models")["items"], [], "no model came of it")


def differing(server, ours, theirs, source, made):
    run = made["runs"][0]
    ours.set_tag(run, "ü", "other")
    ours.set_model_version_tag("reg", "3", "t", "mine")
    ours.log_text(run := run, "other bytes", "notes/ü b.txt")
    code, rows, errors, answer = migrate(server, source)
    equal((code, rows["runs"]["differs"], rows["model_versions"]["differs"], rows["artifacts"]["differs"]),
          (DIFFERS, 1, 1, 1), f"what differs {errors}")
    true(not answer["equal"] and any(run in text and "ü" in text for text in answer["differences"]), f"named: {answer}")
    equal(ours.get_run(run).data.tags["ü"], "other", "it was left alone")
    code, rows, errors, _ = migrate(server, source, "--update")
    equal((code, rows["runs"]["updated"], rows["artifacts"]["updated"]), (0, 1, 1), f"--update {errors}")
    compare(theirs, ours, made)


def other_schema(root, server, source):
    """Tables of another version of MLflow are not guessed at."""
    old = root / "old.db"
    shutil.copy(source.removeprefix("sqlite:///"), old)
    with sqlite3.connect(old) as db:
        db.execute("UPDATE alembic_version SET version_num = 'f5a4f2784254'")
    code, _, errors, _ = migrate(server, str(old))
    true(code == 2 and "f5a4f2784254" in errors and "mlflow db upgrade" in errors, errors)
    with sqlite3.connect(old) as db:
        db.execute("DROP TABLE alembic_version")
    true("no tables of an MLflow" in migrate(server, str(old))[2], "no MLflow store")


def with_auth(root, source):
    """An editor is refused and nothing has changed; the administrator's token does it. Files come from a copied root."""
    copy = root / "copied"
    shutil.copytree(root / "mlruns", copy)
    (root / "mlruns").rename(root / "away")
    try:
        with harness.Server(harness.BINARY, root / "auth", ["--auth"]) as server:
            token = (server.data / "bootstrap-token").read_text().strip()
            boss = server.api(token)
            editor = boss.post("tokens", {"principal": "ed", "role": "edit"})["token"]
            for credentials in ("", editor):
                code, _, errors, _ = migrate(server, source, token=credentials)
                true(code not in (0, DIFFERS), f"refused: {code} {errors}")
                found = boss.send("GET", harness.MLFLOW + "experiments/get-by-name?experiment_name=moved", check=False)
                equal(found.status, 404, "nothing has changed")
            code, rows, errors, answer = migrate(server, source, token=token)
            true(code == DIFFERS and not rows["artifact_directories"]["equal"], f"without its files: {code} {rows}")
            code, rows, errors, answer = migrate(server, source, "--artifacts", str(copy), token=token)
            equal(code, 0, f"as administrator: {errors}")
            moved_whole(rows, answer, errors)
            true(rows["artifacts"]["imported"] > MANY, f"files of the copy: {rows['artifacts']}")
            other_schema(root, server, source)
    finally:
        (root / "away").rename(root / "mlruns")


# ---------------------------------------------------------------- PostgreSQL
def to_postgres(database, psql):
    """MLflow's own tables as it makes them in PostgreSQL, with the rows of its SQLite file."""
    from mlflow.store.db.base_sql_model import Base
    import mlflow.store.model_registry.dbmodels.models  # noqa: F401
    import mlflow.store.tracking.dbmodels.models  # noqa: F401
    import mlflow.store.workspace.dbmodels.models  # noqa: F401
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable
    script = ["CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL);"]

    def text(value):
        if value is None:
            return r"\N"
        return str(value).replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")

    def rows(name, columns):
        script.append(f"COPY {name} ({', '.join(columns)}) FROM stdin;")
        quoted = ", ".join(f'"{column}"' for column in columns)
        script.extend("\t".join(map(text, row)) for row in database.execute(f"SELECT {quoted} FROM {name}"))
        script.append("\\.")

    for table in Base.metadata.sorted_tables:
        table.constraints = {table.primary_key}  # The rows are good already.
        script.append(str(CreateTable(table).compile(dialect=postgresql.dialect())) + ";")
        columns = [column.name for column in table.columns if column.computed is None]
        if columns:
            rows(table.name, columns)
    rows("alembic_version", ["version_num"])
    subprocess.run(psql, input="\n".join([*script, ""]), text=True, check=True, stdout=subprocess.DEVNULL)


def from_postgres(root, theirs, source, made):
    bin_dir = postgres.binaries()
    if not bin_dir:
        print("skip a store in PostgreSQL: no server here (./dev setup --services)")
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="slip-pg-"))
    service, data = postgres.start(bin_dir, folder)
    try:
        subprocess.run([bin_dir / "createdb", "-h", folder, "-U", "slipway", "mlflow"], check=True)
        with sqlite3.connect(source.removeprefix("sqlite:///")) as database:
            to_postgres(database, [bin_dir / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-h", folder, "-U", "slipway", "-d", "mlflow"])
        url = f"postgresql+psycopg2://slipway@/mlflow?host={folder}"
        with harness.Server(harness.BINARY, root / "pg") as server:
            code, rows, errors, answer = migrate(server, url)
            equal(code, 0, f"from PostgreSQL: {errors}")
            moved_whole(rows, answer, errors)
            compare(theirs, MlflowClient(server.url), made)
    finally:
        postgres.stop(service, data)
        shutil.rmtree(folder, ignore_errors=True)
    print("ok   a store in PostgreSQL")


def main():
    with tempfile.TemporaryDirectory(prefix="slipway-migrate-") as folder:
        root = pathlib.Path(folder)
        os.chdir(root)  # MLflow puts its files below the working directory.
        source = f"sqlite:///{root}/mlflow.db"
        mlflow.set_tracking_uri(source)
        theirs = MlflowClient(source)
        made = fill(theirs)
        from_sqlite(root, theirs, source, made)
        print("ok   a store of MLflow's own, killed half-way and taken up again", flush=True)
        from_postgres(root, theirs, source, made)
        with_auth(root, source)
        print("ok   with --auth, and files of a copied directory", flush=True)
        os.chdir("/")


if __name__ == "__main__":
    main()
