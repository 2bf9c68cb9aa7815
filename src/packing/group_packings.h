// The ways in which a group of layers can be packed, and what each sends: for whoever chooses (choose_packing.h, the
// planner).
#pragma once

#include <cstdint>
#include <vector>

#include "packing/plan.h"

namespace flash::packing {

/// One way to pack a group. Set `choice` in every layer of the group to have make_plan() take it.
struct GroupPacking {
    model::PackingChoice choice;  ///< both fields are set
    int channels_per_output = 0;  ///< g2
    std::int64_t upload_ciphertexts = 0, response_ciphertexts = 0;
    std::uint64_t upload_bytes =
        0;  ///< exact payloads, with the upload bits that the architecture has now (at most those of q)
    std::uint64_t response_bytes = 0;
    std::uint64_t bytes() const { return upload_bytes + response_bytes; }
};

/// What a group (one of layer_groups()) sends under a choice; fields that are 0 take their defaults. Errors as
/// make_plan.
GroupPacking packed_as(const model::Architecture& architecture, const std::vector<std::size_t>& group,
                       const model::PackingChoice& choice);

/// Every choice that no other one of the same ring beats in the number both of uploads and of results, by degree and
/// channels per input; rings in which a row of a map does not fit are left out. Whether the noise fits as well is for
/// noise_fits() to say (packing/choose_packing.h).
std::vector<GroupPacking> group_packings(const model::Architecture& architecture,
                                         const std::vector<std::size_t>& group);

}  // namespace flash::packing
