// The client's half of the composite scheme: answers of one half, and the share that stays.
#include <array>
#include <optional>

#include "scheme/composite_work.h"
#include "scheme/workspace.h"

namespace flash::scheme {

using namespace composite;

namespace {

// A prepared answer: u mod each part of q, transformed, and the small e1.
std::size_t prepared_words(const CompositeRing& ring) { return ring.parts() * ring.degree() + ring.degree() / 8; }

// An answer: a and b mod each part of q; for each product its plaintext's coefficients mod the groups and their
// quotient; and three polynomials, first the plaintexts mod one prime of Delta, then what the results are made in.
// Public: a block of a and b of each vector.
constexpr std::size_t kSpare = 3;
static_assert(kSpare >= kMaxCompositeProducts);
std::size_t products_of(const CompositeRing& ring) { return static_cast<std::size_t>(ring.parameters().rank); }
std::size_t answer_words(const CompositeRing& ring) {
    return (2 * ring.parts() + products_of(ring) * (ring.groups() + 1) + kSpare) * ring.degree();
}
std::size_t answer_public_words(const CompositeRing& ring) { return 2 * products_of(ring) * kBlock; }

}  // namespace

std::size_t prepared_answer_bytes(const CompositeRing& ring) { return 8 * prepared_words(ring); }

CompositeMemory client_memory(const CompositeRing& ring) {
    return {8 * 2 * ring.parts() * ring.degree(),
            8 * (answer_words(ring) + answer_public_words(ring) + ring.degree() / 8)};
}

struct CompositeEvaluator::State {
    std::shared_ptr<const CompositeRing> ring;
    PublicHalves halves;
    std::vector<AlignedVector<std::uint64_t>> key_a, key_b;  // the server's public key
    WorkspacePool secrets, publics, prepared, randomness;

    State(std::shared_ptr<const CompositeRing> ring_in, const CompositeSeeds& seeds)
        : ring(std::move(ring_in)),
          halves(*ring, seeds),
          secrets(answer_words(*ring), Contents::kSecretWork),
          publics(answer_public_words(*ring), Contents::kPublic),
          prepared(prepared_words(*ring), Contents::kSecret),
          randomness(ring->degree() / 8, Contents::kSecretWork) {}
};

struct PreparedAnswer::State {
    std::shared_ptr<const CompositeEvaluator::State> owner;
    std::vector<CompositeVectorId> ids;
    WorkspacePool::Lease secrets;
    std::vector<Words> u;
    std::span<std::int8_t> error;

    State(std::shared_ptr<const CompositeEvaluator::State> owner_in, std::span<const CompositeVectorId> ids_in)
        : owner(std::move(owner_in)),
          ids(ids_in.begin(), ids_in.end()),
          secrets(owner->prepared.lease()) {
        PolynomialCutter cutter(secrets.words(), owner->ring->degree());
        u = cutter.polynomials(owner->ring->parts());
        error = cutter.small();
    }
};

PreparedAnswer::PreparedAnswer() = default;
PreparedAnswer::~PreparedAnswer() = default;
PreparedAnswer::PreparedAnswer(PreparedAnswer&&) noexcept = default;
PreparedAnswer& PreparedAnswer::operator=(PreparedAnswer&&) noexcept = default;

CompositeEvaluator::CompositeEvaluator(std::shared_ptr<const CompositeRing> ring_in, const CompositeSeeds& seeds,
                                       std::span<const std::uint8_t> public_key) {
    const auto state = std::make_shared<State>(std::move(ring_in), seeds);
    const CompositeRing& ring = *state->ring;
    require(public_key.size() == ring.ciphertext_bytes(), ErrorKind::kProtocol,
            "a public key of the composite scheme has the wrong size");
    for (std::size_t i = 0; i < ring.parts(); ++i) {
        PublicHalves::Stream(state->halves, i).next(state->key_a.emplace_back(ring.degree()));
        ring.part(i).take_packed(public_key, state->key_b.emplace_back(ring.degree()));
    }
    state_ = state;
}

CompositeEvaluator::~CompositeEvaluator() = default;

PreparedAnswer CompositeEvaluator::prepare(std::span<const CompositeVectorId> ids, Prng& rng) const {
    const CompositeRing& ring = *state_->ring;
    require(ids.size() <= products_of(ring), ErrorKind::kInternal,
            "more products in one answer than the noise analysis counts on");
    PreparedAnswer result;
    result.state_ = std::make_unique<PreparedAnswer::State>(state_, ids);
    PreparedAnswer::State& prepared = *result.state_;
    WorkspacePool::Lease randomness = state_->randomness.lease();
    const std::span<std::int8_t> u = PolynomialCutter(randomness.words(), ring.degree()).small();
    lattice::sample_ternary(rng, u, ring.set());
    lattice::sample_error(rng, prepared.error, ring.set());
    for (std::size_t i = 0; i < ring.parts(); ++i) {
        ring.part(i).arithmetic().lift(u, prepared.u[i]);
        ring.part(i).forward_lazy(prepared.u[i]);
    }
    return result;
}

std::vector<std::uint8_t> CompositeEvaluator::answer(PreparedAnswer&& from, std::span<const CompositeFactor> factors,
                                                     std::span<std::uint32_t> share) const {
    // Taken over: gone from the caller's hands even if this throws, and wiped at the end.
    const std::unique_ptr<PreparedAnswer::State> prepared = std::move(from.state_);
    require(prepared && prepared->owner == state_ && prepared->ids.size() == factors.size(), ErrorKind::kInternal,
            "a prepared answer was used twice, or for something else");
    const CompositeRing& ring = *state_->ring;
    const std::size_t count = factors.size(), groups = ring.groups();
    require(share.size() == ring.values(), ErrorKind::kInternal, "the composite scheme gives a value for every slot");
    std::vector<std::span<const std::uint8_t>> packed;
    for (const CompositeFactor& factor : factors) {
        ring.check_slots(factor.plain);
        require(factor.ciphertext.size() == ring.ciphertext_bytes(), ErrorKind::kProtocol,
                "a ciphertext of the composite scheme has the wrong size");
        packed.push_back(factor.ciphertext);
    }

    WorkspacePool::Lease secrets = state_->secrets.lease(), publics = state_->publics.lease();
    PolynomialCutter cutter(secrets.words(), ring.degree()), public_cutter(publics.words(), kBlock);
    const std::vector<Words> sums_a = cutter.polynomials(ring.parts()), sums_b = cutter.polynomials(ring.parts());
    std::vector<std::vector<Words>> coefficients(count);  // of each plaintext, mod each group
    for (std::vector<Words>& x : coefficients) x = cutter.polynomials(groups);
    const std::vector<Words> quotients = cutter.polynomials(count), spare = cutter.polynomials(kSpare),
                             vectors_a = public_cutter.polynomials(count), vectors_b = public_cutter.polynomials(count);

    // One modulus after the other, so that what is worked on stays in the cache: a = sum_k p_k a_k + a_pk u, and b
    // alike.
    std::vector<Words> plains(count);  // transformed; mod a group they are the slots
    const auto multiply = [&](std::size_t i) {
        const CompositeRing::Part& part = ring.part(i);
        std::array<std::optional<PublicHalves::Stream>, kMaxCompositeProducts> streams;
        for (std::size_t k = 0; k < count; ++k) streams[k].emplace(state_->halves, prepared->ids[k], i);
        std::vector<Residues> halves_a(count + 1), halves_b(count + 1), blocks(count + 1);
        for_blocks(ring.degree(), [&](std::size_t first, std::size_t size) {
            for (std::size_t k = 0; k < count; ++k) {
                streams[k]->next(vectors_a[k].first(size));
                part.take_packed(packed[k], vectors_b[k].first(size));
                halves_a[k] = vectors_a[k].first(size);
                halves_b[k] = vectors_b[k].first(size);
                if (i < groups) ring.join(factors[k].plain, i, first, plains[k].subspan(first, size));
                blocks[k] = plains[k].subspan(first, size);
            }
            halves_a[count] = Residues(state_->key_a[i]).subspan(first, size);
            halves_b[count] = Residues(state_->key_b[i]).subspan(first, size);
            blocks[count] = Residues(prepared->u[i]).subspan(first, size);
            part.arithmetic().product_pair(halves_a, halves_b, blocks, sums_a[i].subspan(first, size),
                                           sums_b[i].subspan(first, size));
        });
    };
    for (std::size_t g = 0; g < groups; ++g) {
        for (std::size_t k = 0; k < count; ++k) plains[k] = coefficients[k][g];
        multiply(g);
        for (std::size_t k = 0; k < count; ++k) ring.plain_coefficients(g, coefficients[k][g]);
    }
    std::vector<std::vector<Residues>> to_lift(count);
    for (std::size_t k = 0; k < count; ++k) {
        ring.plain_quotient(reading(coefficients[k]), quotients[k]);
        to_lift[k] = with(coefficients[k], quotients[k]);
        plains[k] = spare[k];
    }
    const std::span<const Words> a = std::span(sums_a).subspan(groups), b = std::span(sums_b).subspan(groups);
    for (std::size_t j = 0; j < ring.deltas(); ++j) {
        for (std::size_t k = 0; k < count; ++k) {
            ring.lift(to_lift[k], j, spare[k]);
            ring.delta(j).forward_lazy(spare[k]);
        }
        multiply(groups + j);
        ring.sent_coefficients(j, prepared->error, a[j]);
        ring.share_coefficients(j, b[j]);
    }

    const Words rest = spare[0], work = spare[1], values = spare[2];
    ring.share_quotient(reading(b), rest);
    for (std::size_t g = 0; g < groups; ++g) {
        ring.share(with(b, rest), g, sums_b[g], work, values);
        ring.split(values, g, share);
    }
    std::vector<std::uint8_t> answer;
    answer.reserve(ring.answer_bytes());
    ring.sent_rest(reading(a), rest);
    const std::vector<Residues> sent = with(a, rest);
    for (std::size_t i = 0; i < ring.answers(); ++i) {
        ring.sent_to_answer(sent, i, values);
        ring.answer(i).append_packed(values, answer);
    }
    for (std::size_t g = 0; g < groups; ++g) {
        ring.sent_to_group(sent, prepared->error, g, sums_a[g], work, values);
        ring.part(g).append_packed(values, answer);
    }
    return answer;
}

}  // namespace flash::scheme
