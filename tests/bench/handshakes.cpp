#include "tests/bench/handshakes.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include "net/raystream_handshake.hpp"

namespace kontract::bench {

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Work {
  Seconds server{0}, client{0};
  double handshakes = 0;
};

template <class Step>
auto timed(Seconds& total, const Step& step) {
  const auto from = Clock::now();
  auto result = step();
  total += Clock::now() - from;
  return result;
}

// Handshakes one after the other for so long, each side on its own clock.
Work shake_for(Seconds time) {
  raystream::ServerSetup server;
  const SecretBytes seed = SecretBytes::random(raystream::kIdentitySeedBytes);
  server.identities.push_back({*raystream::SigningKey::from_seed(seed.view()), {}});
  Work work;
  while (work.server + work.client < time) {
    const auto now = std::chrono::system_clock::now();
    auto handshake = timed(work.client, [&] {
      raystream::ClientSetup client;
      client.trust.pins = {server.identities.front().identity.public_key()};
      return raystream::ClientHandshake(std::move(client));
    });
    const auto answer = timed(work.server, [&] {
      return raystream::answer_hello(handshake.hello(), server, nullptr, now,
                                     raystream::ServerFresh::make(now));
    });
    if (!answer) throw std::runtime_error(answer.error().message);
    const auto channel = timed(work.client, [&] { return handshake.finish(answer->frame, now); });
    if (!channel) throw std::runtime_error(channel.error().message);
    ++work.handshakes;
  }
  return work;
}

}  // namespace

std::vector<Figure> handshake_figures(const ThroughputOptions& options) {
  std::vector<Figure> figures{
      {.name = "handshakes_server", .what = "handshakes, server", .unit = "1/s/core", .rival = ""},
      {.name = "handshakes_client", .what = "handshakes, client", .unit = "1/s/core", .rival = ""}};
  try {
    for (int round = 0; round < options.rounds; ++round) {
      const Work work = shake_for(Seconds(options.seconds));
      figures[0].measured.push_back(work.handshakes / work.server.count());
      figures[1].measured.push_back(work.handshakes / work.client.count());
    }
  } catch (const std::exception& error) {
    for (Figure& figure : figures) figure.failure = error.what();
  }
  return figures;
}

}  // namespace kontract::bench
