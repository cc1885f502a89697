#include "cli/migrate.h"
#include "cli/rest.h"

// migrate mlflow: reads an MLflow store here, sends it to the server in small pieces, each of which
// may be sent again, and reads it back.
namespace slip::cli {

void add_migrate_commands(Commands& commands, const Connect& connect, Fs& fs) {
  commands.add(
      {"migrate mlflow",
       "Takes over an MLflow store with its artifacts, and reads it back to compare.",
       {{"SRC", "PATH or sqlite:///PATH of its SQLite file, or postgresql://…"}},
       {{"artifacts", "DIR", "Directory of its artifacts, laid out as EXPERIMENT/RUN/artifacts."},
        {"workspace", "NAME", "The one of its workspaces that is taken over."},
        {"dry-run", "", "Only reads and counts."},
        {"update", "", "What is here with other values gets those of the source."}},
       [connect, &fs](Call& call) -> Result<int> {
         MlflowStore source =
             TRY(MlflowStore::open(call.argument(0), call.text("workspace", "default")));
         const std::unique_ptr<Remote> server = TRY(connect(call));
         return Mover(call, *server, source, fs).all();
       },
       "Files are read where the store says they are, when that is a path of this machine, or "
       "below "
       "--artifacts. May be cut off and run again at any time: what is there is not sent again. "
       "Ends with a comparison of what the server has with what the source has, by kind: counts "
       "and "
       "digests. Exit code 0 only when everything equals, 8 when something differs or was "
       "refused."});
}

}  // namespace slip::cli
