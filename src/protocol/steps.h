// The steps of an inference that profiles tell apart, and the client's seconds by them.
#pragma once

#include "base/profile.h"

namespace flash::protocol {

/// In the order in which reports list them.
namespace step {
inline constexpr Step kSetup{0};          ///< both: keys and the first exchange
inline constexpr Step kPrepareUpload{1};  ///< client: of an upload, what does not depend on its share
inline constexpr Step kEncrypt{2};        ///< client: the rest of an upload: packing its share and adding it
inline constexpr Step kSend{3};           ///< both: handing messages to the channel
inline constexpr Step kWaitUpload{4};     ///< server: until an upload has arrived
inline constexpr Step kLinear{5};         ///< server: adding its share and the linear layer itself
inline constexpr Step kMask{6};           ///< server: masking and packing the result
inline constexpr Step kWaitLinear{7};     ///< client: until a linear response has arrived
inline constexpr Step kDecrypt{8};        ///< client: of linear responses; server: of answers, to the activation's end
inline constexpr Step kServerVectors{9};  ///< server: making its encrypted vectors
inline constexpr Step kPrepare{10};       ///< client: of an answer, what does not depend on the server's vectors
inline constexpr Step kWaitVectors{11};   ///< client: until server vectors have arrived
inline constexpr Step kRespond{12};       ///< client: the rest of an answer
inline constexpr Step kWaitProduct{13};   ///< server: until an answer has arrived
inline constexpr Step kFinish{14};        ///< both: the result share and the end
}  // namespace step
inline constexpr int kSteps = 15;

/// Short lower-case words, e.g. "wait linear". They are part of the reports that programs read.
const char* name_of(Step step);
/// Whether the step is nothing but waiting for the peer.
bool is_waiting(Step step);

/// Seconds of the client by what it was doing, all its threads together: the summary of a profile over all layers.
struct StepSeconds {
    double setup = 0;        ///< keys, start message, waiting for the reply
    double encrypt = 0;      ///< encrypting uploads
    double send = 0;         ///< handing messages to the channel
    double wait_linear = 0;  ///< waiting for linear responses
    double decrypt = 0;
    double wait_vectors = 0;  ///< waiting for server vectors that were not there yet
    double respond = 0;       ///< preparing and computing answers
    double total = 0;         ///< from start to end, by the clock on the wall
};
/// Of a client's profile of one inference.
StepSeconds step_seconds(const Profile& profile);

}  // namespace flash::protocol
