// Serves a compiled model until standard input ends: serve MODEL.flash [HOST:PORT]
#include <flash/server.h>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc < 2) {
        std::fprintf(stderr, "usage: serve MODEL.flash [HOST:PORT]\n");
        return 2;
    }
    flash::ServerOptions options;
    if (argc > 2) options.listen = argv[2];
    flash::Server server(flash::Model::load(argv[1]), options);
    std::printf("%s %s\n", server.address().c_str(), server.pin().c_str());
    std::fflush(stdout);
    while (std::getchar() != EOF) {}
    server.stop();
    std::printf("answered %llu inferences\n", static_cast<unsigned long long>(server.inferences()));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "serve: %s\n", error.what());
    return 1;
}
