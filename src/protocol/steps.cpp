#include "protocol/steps.h"

#include <array>

#include "base/error.h"

namespace flash::protocol {

const char* name_of(Step step) {
    static constexpr std::array<const char*, kSteps> kNames = {
        "setup",   "prepare upload", "encrypt", "send",         "wait upload", "linear",       "mask",  "wait linear",
        "decrypt", "vectors",        "prepare", "wait vectors", "respond",     "wait product", "finish"};
    const auto at = static_cast<std::size_t>(step);
    require(at < kNames.size(), ErrorKind::kInternal, "unknown step");
    return kNames[at];
}

bool is_waiting(Step step) {
    return step == step::kWaitUpload || step == step::kWaitLinear || step == step::kWaitVectors ||
           step == step::kWaitProduct;
}

StepSeconds step_seconds(const Profile& profile) {
    StepSeconds seconds;
    const auto sum = [entries = summarise(profile)](std::initializer_list<Step> steps) {
        double total = 0;
        for (const ProfileEntry& entry : entries)
            for (const Step step : steps) total += entry.step == step ? entry.seconds : 0;
        return total;
    };
    seconds.setup = sum({step::kSetup});
    seconds.encrypt = sum({step::kPrepareUpload, step::kEncrypt});
    seconds.send = sum({step::kSend});
    seconds.wait_linear = sum({step::kWaitLinear});
    seconds.decrypt = sum({step::kDecrypt});
    seconds.wait_vectors = sum({step::kWaitVectors});
    seconds.respond = sum({step::kPrepare, step::kRespond});
    seconds.total = wall_seconds(profile);
    return seconds;
}

}  // namespace flash::protocol
