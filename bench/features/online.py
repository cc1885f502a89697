"""The online workload: five views of ten doubles over one int64 key, as the targets name it. Shared by both sides."""
VIEWS, FEATURES = 5, 10


def views():
    return [(f"view_{v}", [f"v{v}_f{f}" for f in range(FEATURES)]) for v in range(VIEWS)]


def names():
    return [f"{view}:{feature}" for view, features in views() for feature in features]


def value(entity, feature):
    return entity * 0.5 + feature / 7.0


def definitions():
    out = []
    for view, features in views():
        columns = ", ".join(f"{f}: float64" for f in features)
        out.append(f"kind: Source\nname: {view}_rows\ncolumns: {{id: int64, {columns}}}\n"
                   f"---\nkind: FeatureView\nname: {view}\nentity: {{id: int64}}\nsource: {view}_rows\n"
                   f"features: [{', '.join(features)}]\nttl: 1d\n")
    listed = ", ".join(f'"{view}:*"' for view, _ in views())
    return "---\n".join(out) + f"---\nkind: FeatureService\nname: bench\nfeatures: [{listed}]\n"
