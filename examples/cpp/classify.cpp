// Classifies pictures on a server that never sees them: classify HOST:PORT sha256:PIN PICTURE...
#include <flash/client.h>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc < 4) {
        std::fprintf(stderr, "usage: classify HOST:PORT sha256:PIN PICTURE...\n");
        return 2;
    }
    flash::Client client({.address = argv[1], .pin = argv[2]});
    for (int i = 3; i < argc; ++i) {
        const flash::Answer answer = client.infer(flash::prepare(client.model(), argv[i]));
        const flash::ClassScore best = flash::best_classes(client.model(), answer.logits, 1).front();
        std::printf("%s: %s (%.0f%%), %.3f s, %.1f MB\n", argv[i], best.name.c_str(), 100 * best.probability,
                    answer.seconds, static_cast<double>(answer.bytes_sent + answer.bytes_received) / 1e6);
    }
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 1;
}
