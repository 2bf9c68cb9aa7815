// Compiles an ONNX file, calibrated on pictures: compile NET.onnx NET.flash PICTURE...
#include <flash/compiler.h>

#include <cstdio>
#include <exception>

int main(int argc, char** argv) try {
    if (argc < 4) {
        std::fprintf(stderr, "usage: compile NET.onnx NET.flash PICTURE...\n");
        return 2;
    }
    const flash::Network network = flash::Network::read(argv[1]);
    std::vector<std::vector<float>> calibration;
    for (int i = 3; i < argc; ++i) calibration.push_back(flash::prepare(network.info(), argv[i]));
    const flash::Compiled made = network.compile(calibration);
    made.model.save(argv[2]);
    std::printf("%s: %.1f dB, the float network's class on %.0f%% of %lld pictures\n", argv[2], made.report.snr_db,
                100 * made.report.agreement, static_cast<long long>(made.report.check_inputs));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "compile: %s\n", error.what());
    return 1;
}
