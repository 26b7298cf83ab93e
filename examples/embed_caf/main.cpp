// Actors of a program and kontract's on one actor system: thermometers write what they measure into
// a durable session. See README.md.

#include <caf/all.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <stdexcept>
#include <string>

#include "runtime/runtime.hpp"

namespace {

constexpr int kThermometers = 4;
constexpr int kReadings = 25;

using measure = caf::atom_constant<caf::atom("measure")>;
using kept = caf::atom_constant<caf::atom("kept")>;
using failed = caf::atom_constant<caf::atom("failed")>;

// Measures as often as it is told, one after the other: the next when the last is durable. Then it
// tells `overseer`.
caf::behavior thermometer(caf::event_based_actor* self, kontract::LocalSession room, int number,
                          caf::actor overseer) {
  return {
      [=](measure, int left) {
        if (left == 0) {
          self->send(overseer, kept::value);
          return self->quit();
        }
        const kontract::Json reading = {{"thermometer", number}, {"celsius", 20.0 + left % 5}};
        const caf::actor me = self;
        room.call("table.push", "readings", reading)
            .then([=](const kontract::Result<kontract::CallResult>& pushed) {
              if (pushed) return caf::anon_send(me, measure::value, left - 1);
              caf::anon_send(overseer, failed::value, pushed.error().message);
            });
      },
  };
}

kontract::Json must(kontract::Result<kontract::CallResult> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return result->result;
}

void measure_all(caf::actor_system& system, const kontract::LocalSession& room) {
  const caf::scoped_actor overseer(system);
  for (int number = 0; number < kThermometers; ++number) {
    const auto actor =
        system.spawn(thermometer, room, number, caf::actor_cast<caf::actor>(overseer));
    caf::anon_send(actor, measure::value, kReadings);
  }
  for (int running = kThermometers; running > 0; --running) {
    std::string failure;
    overseer->receive([](kept) {}, [&](failed, const std::string& message) { failure = message; });
    if (!failure.empty()) throw std::runtime_error(failure);
  }
}

void run(const std::filesystem::path& data) {
  caf::actor_system_config config;
  caf::actor_system system(config);
  kontract::Options options;
  options.store.data = data;
  options.store.ballast_bytes = 0;
  options.listen = false;
  auto runtime = kontract::Runtime::start(std::move(options), {}, {.actors = &system});
  if (!runtime) throw std::runtime_error(runtime.error().message);

  const kontract::LocalSession room = (*runtime)->session("weather", "roof");
  must(room.call("table.create", "readings").get());
  measure_all(system, room);
  const kontract::Json count =
      must(room.call("table.exec", "readings",
                     "SELECT count(*) AS readings, avg(data->>'celsius') AS celsius FROM readings")
               .get());
  std::cout << count["rows"][0] << "\n";
  if (count["rows"][0]["readings"] != kThermometers * kReadings)
    throw std::runtime_error("some are missing");
}

}  // namespace

int main() {
  try {
    std::string folder = (std::filesystem::temp_directory_path() / "embed-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary directory");
    run(folder);
    std::filesystem::remove_all(folder);
    return 0;
  } catch (const std::exception& failure) {
    std::cerr << "embed_caf: " << failure.what() << "\n";
    return 1;
  }
}
