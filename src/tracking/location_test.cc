#include "tracking/location.h"

#include <gtest/gtest.h>

namespace slip::tracking {
namespace {

TEST(Location, BelowKeepsQueryAndFragment) {
  EXPECT_EQ(below_uri("mlflow-artifacts:/", "7"), "mlflow-artifacts:/7");
  EXPECT_EQ(below_uri("mlflow-artifacts:", "7"), "mlflow-artifacts:/7");
  EXPECT_EQ(below_uri("s3://b/x/", "r/a"), "s3://b/x/r/a");
  EXPECT_EQ(below_uri("s3://b/x?v=1", "r/a"), "s3://b/x/r/a?v=1");
  EXPECT_EQ(below_uri("mysql+d://u:p@h:1/db#f", "r"), "mysql+d://u:p@h:1/db/r#f");
  EXPECT_EQ(below_uri("/data/what?", "r"), "/data/what?/r");  // A path has no query.
}

TEST(Location, RelativeOnesBeginAtTheWorkingDirectory) {
  EXPECT_EQ(absolute_location("x/y", "/srv"), "/srv/x/y");
  EXPECT_EQ(absolute_location("./x", "/srv/"), "/srv/x");
  EXPECT_EQ(absolute_location("file:x", "/srv"), "file:///srv/x");
  for (const char* whole : {"/x", "file:///x", "s3://b/x", "mlflow-artifacts:/", "C:/x"})
    EXPECT_EQ(absolute_location(whole, "/srv"), whole);
}

TEST(Location, WhatLiesBelow) {
  EXPECT_TRUE(lies_below("mlflow-artifacts:/0/r/artifacts/m", "mlflow-artifacts:/0/r/artifacts"));
  EXPECT_TRUE(lies_below("S3://B/x/%79", "s3://b/x/y"));
  EXPECT_FALSE(lies_below("mlflow-artifacts:/0/r/artifactsX", "mlflow-artifacts:/0/r/artifacts"));
  EXPECT_FALSE(lies_below("s3://other/x/y", "s3://b/x"));
  EXPECT_FALSE(lies_below("s3://b/x", "s3://b"));  // A root without a path promises nothing.
  EXPECT_EQ(local_path("file:///a/./b/../c%2fd"), "/a/c/d");
  EXPECT_EQ(local_path("/a/../../b"), "/b");
  EXPECT_TRUE(is_proxied_uri("https://h:1/pre/api/2.0/mlflow-artifacts/artifacts/x"));
  EXPECT_FALSE(is_proxied_uri("https://h:1/api/2.0/other"));
}

TEST(Location, WhatAnExperimentMayHave) {
  for (const char* good : {"/x", "s3://b/x?v=1", "relative", "dbfs:/x"})
    EXPECT_TRUE(check_location(good).ok()) << good;
  for (const std::string& bad :
       {std::string("runs:/x/y"), std::string("s3://b/x#f"), std::string("s3://b/x;p"),
        std::string("s3://b/x?a=%2e%2e/"), "/" + std::string(2048, 'a')})
    EXPECT_EQ(check_location(bad).error().reason, "experiment.location") << bad.substr(0, 40);
}

}  // namespace
}  // namespace slip::tracking
