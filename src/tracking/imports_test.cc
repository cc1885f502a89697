#include "tracking/imports.h"

#include <cmath>

#include <gtest/gtest.h>

#include "test/tracking/world.h"

namespace slip::tracking {
namespace {

class ImportsTest : public test::TrackingDbTest {
 protected:
  static Experiment some_experiment(int64_t id, const std::string& name) {
    Experiment e;
    e.id = id;
    e.name = name;
    e.artifact_location = "mlflow-artifacts:/" + std::to_string(id);
    e.created_ms = 11;
    e.updated_ms = 12;
    e.tags = {{"team", "x"}};
    return e;
  }
  static tracking::Run some_run(int64_t experiment) {
    tracking::Run run;
    run.id = std::string(32, 'a');
    run.experiment_id = experiment;
    run.name = "old";
    run.user_id = "someone";
    run.status = RunStatus::kFailed;
    run.start_ms = 100;
    run.end_ms = 200;
    run.lifecycle = Lifecycle::kDeleted;
    run.artifact_uri = "mlflow-artifacts:/7/a/artifacts";
    run.params = {{"lr", "0.1"}};
    run.tags = {{"mlflow.runName", "old"}};
    return run;
  }
};
SLIP_EVERY_DB(ImportsTest);

TEST_P(ImportsTest, AnExperimentKeepsItsIdWhereThatIsFree) {
  Imports& imports = tracking->imports;
  const ImportOutcome first = imports.experiment(ctx, some_experiment(7, "a"), false).value();
  EXPECT_EQ(first.state, Imported::kNew);
  EXPECT_EQ(first.experiment_id, 7);
  EXPECT_EQ(tracking->experiments.get(ctx, 7).value().created_ms, 11);
  const ImportOutcome taken = imports.experiment(ctx, some_experiment(7, "b"), false).value();
  EXPECT_EQ(taken.experiment_id, 8);
  EXPECT_EQ(imports.experiment(ctx, some_experiment(7, "b"), false).value().state, Imported::kSame);
  EXPECT_EQ(tracking->experiments.create(ctx, {"c", "", {}}).value().id, 9);
}

TEST_P(ImportsTest, ADifferingExperimentStaysUnlessToldOtherwise) {
  Imports& imports = tracking->imports;
  Experiment e = some_experiment(7, "a");
  imports.experiment(ctx, e, false).value();
  e.tags[0].value = "y";
  const ImportOutcome kept = imports.experiment(ctx, e, false).value();
  EXPECT_EQ(kept.state, Imported::kDiffers);
  EXPECT_EQ(kept.differing, "tags.team");
  EXPECT_EQ(tracking->experiments.get(ctx, 7).value().tags[0].value, "x");
  EXPECT_EQ(imports.experiment(ctx, e, true).value().state, Imported::kUpdated);
  EXPECT_EQ(imports.experiment(ctx, e, false).value().state, Imported::kSame);
}

TEST_P(ImportsTest, ARunKeepsWhatItWas) {
  Imports& imports = tracking->imports;
  imports.experiment(ctx, some_experiment(7, "a"), false).value();
  tracking::Run run = some_run(7);
  EXPECT_EQ(imports.run(ctx, run, false).value().state, Imported::kNew);
  EXPECT_EQ(imports.run(ctx, run, false).value().state, Imported::kSame);
  const tracking::Run got = tracking->runs.get(ctx, run.id).value();
  EXPECT_EQ(got.status, RunStatus::kFailed);
  EXPECT_EQ(got.start_ms, 100);
  EXPECT_EQ(got.end_ms, 200);
  EXPECT_EQ(got.lifecycle, Lifecycle::kDeleted);
  EXPECT_EQ(got.params, run.params);
  run.params[0].value = "0.2";
  EXPECT_EQ(imports.run(ctx, run, false).value().differing, "params.lr");
  EXPECT_EQ(tracking->runs.get(ctx, run.id).value().params[0].value, "0.1");
  EXPECT_EQ(imports.run(ctx, run, true).value().state, Imported::kUpdated);
  EXPECT_EQ(tracking->runs.get(ctx, run.id).value().params[0].value, "0.2");
}

TEST_P(ImportsTest, PointsCountOnceAndKeepWhatIsNoNumber) {
  Imports& imports = tracking->imports;
  imports.experiment(ctx, some_experiment(7, "a"), false).value();
  const tracking::Run run = some_run(7);
  imports.run(ctx, run, false).value();
  std::vector<Metric> points(3);
  for (size_t i = 0; i < points.size(); ++i) {
    points[i].key = "loss";
    points[i].step = static_cast<int64_t>(i);
    points[i].timestamp_ms = 5;
  }
  points[1].value = HUGE_VAL;
  points[2].value = std::nan("");
  EXPECT_EQ(imports.points(ctx, run.id, points).value().imported, 3);
  EXPECT_EQ(imports.points(ctx, run.id, points).value().same, 3);
  const tracking::Run got = tracking->runs.get(ctx, run.id).value();
  ASSERT_EQ(got.metrics.size(), 1U);
  EXPECT_TRUE(std::isnan(got.metrics[0].value));
  EXPECT_EQ(got.metrics[0].step, 2);
}

TEST_P(ImportsTest, AnEmptyAddressIsThePlaceThatTheServerGives) {
  Imports& imports = tracking->imports;
  Experiment e = some_experiment(7, "a");
  e.artifact_location = "";
  EXPECT_EQ(imports.experiment(ctx, e, false).value().artifacts, "mlflow-artifacts:/7");
  tracking::Run run = some_run(7);
  run.artifact_uri = "";
  const std::string here = "mlflow-artifacts:/7/" + run.id + "/artifacts";
  EXPECT_EQ(imports.run(ctx, run, false).value().artifacts, here);
  EXPECT_EQ(imports.run(ctx, run, false).value().state, Imported::kSame);
  EXPECT_EQ(tracking->runs.get(ctx, run.id).value().artifact_uri, here);
  run.artifact_uri = "s3://b/x";
  EXPECT_EQ(imports.run(ctx, run, false).value().differing, "artifact_uri");
  EXPECT_EQ(imports.run(ctx, run, true).value().artifacts, "s3://b/x");
  EXPECT_EQ(tracking->runs.get(ctx, run.id).value().artifact_uri, "s3://b/x");
}

TEST_P(ImportsTest, InputsAndOutputsComeWithTheRun) {
  Imports& imports = tracking->imports;
  imports.experiment(ctx, some_experiment(7, "a"), false).value();
  tracking::Run run = some_run(7);  // Deleted: its own service would not take them any more.
  DatasetInput input;
  input.tags = {{"mlflow.data.context", "training"}};
  input.dataset = {.name = "train",
                   .digest = "d1",
                   .source_type = "code",
                   .source = "{}",
                   .schema = "{}",
                   .profile = {}};
  run.dataset_inputs = {input};
  run.model_inputs = {"m-in"};
  run.model_outputs = {{"m-out", 3}};
  EXPECT_EQ(imports.run(ctx, run, false).value().state, Imported::kNew);
  EXPECT_EQ(imports.run(ctx, run, false).value().state, Imported::kSame);
  const tracking::Run got = tracking->runs.get(ctx, run.id).value();
  ASSERT_EQ(got.dataset_inputs.size(), 1U);
  EXPECT_EQ(got.dataset_inputs[0].tags, input.tags);
  EXPECT_EQ(got.model_inputs, run.model_inputs);
  ASSERT_EQ(got.model_outputs.size(), 1U);
  EXPECT_EQ(got.model_outputs[0].step, 3);
  run.dataset_inputs[0].tags[0].value = "testing";
  EXPECT_EQ(imports.run(ctx, run, false).value().differing, "inputs.train");
}

TEST_P(ImportsTest, ALoggedModelKeepsWhatItWas) {
  Imports& imports = tracking->imports;
  imports.experiment(ctx, some_experiment(7, "a"), false).value();
  const tracking::Run run = some_run(7);
  imports.run(ctx, run, false).value();
  LoggedModel m;
  m.id = "m-" + std::string(32, 'b');
  m.experiment_id = 7;
  m.name = "model";
  m.source_run_id = run.id;
  m.status = ModelStatus::kReady;
  m.created_ms = 31;
  m.updated_ms = 32;
  m.params = {{"depth", "3"}};
  m.tags = {{"t", "1"}};
  EXPECT_EQ(imports.logged_model(ctx, m, false).value().artifacts,
            "mlflow-artifacts:/7/models/" + m.id + "/artifacts");
  EXPECT_EQ(imports.logged_model(ctx, m, false).value().state, Imported::kSame);
  Metric point;
  point.key = "acc";
  point.value = 0.5;
  point.model_id = m.id;
  EXPECT_EQ(imports.points(ctx, run.id, std::span(&point, 1)).value().imported, 1);
  EXPECT_EQ(imports.points(ctx, run.id, std::span(&point, 1)).value().same, 1);
  const LoggedModel got = tracking->models.get(ctx, m.id).value();
  EXPECT_EQ(got.created_ms, 31);
  EXPECT_EQ(got.updated_ms, 32);
  EXPECT_EQ(got.params, m.params);
  ASSERT_EQ(got.metrics.size(), 1U);
  EXPECT_TRUE(tracking->runs.get(ctx, run.id).value().metrics.empty());
  m.params[0].value = "4";
  EXPECT_EQ(imports.logged_model(ctx, m, false).value().differing, "params.depth");
  EXPECT_EQ(imports.logged_model(ctx, m, true).value().state, Imported::kUpdated);
  EXPECT_EQ(tracking->models.get(ctx, m.id).value().params, m.params);
  m.id = "x";
  EXPECT_EQ(imports.logged_model(ctx, m, false).error().reason, "logged_model.id");
  point.model_id = "m-none";
  EXPECT_EQ(imports.points(ctx, run.id, std::span(&point, 1)).error().reason,
            "logged_model.not_found");
}

TEST_P(ImportsTest, BadRowsAreRefusedAndChangeNothing) {
  Imports& imports = tracking->imports;
  EXPECT_EQ(imports.experiment(ctx, some_experiment(-1, "a"), false).error().code, Code::kInvalid);
  EXPECT_EQ(imports.run(ctx, some_run(99), false).error().reason, "experiment.not_found");
  tracking::Run run = some_run(0);
  run.id = "../x";
  EXPECT_EQ(imports.run(ctx, run, false).error().code, Code::kInvalid);
  EXPECT_EQ(imports.points(ctx, std::string(32, 'b'), {}).error().reason, "run.not_found");
}

}  // namespace
}  // namespace slip::tracking
