// The server's half of the composite scheme: its key, encryption of vectors, decryption of answers to shares.
#include <array>
#include <mutex>
#include <set>

#include "scheme/composite_work.h"
#include "scheme/workspace.h"

namespace flash::scheme {

using namespace composite;

namespace {

/// A secret factor used for many products: transformed, with its 52-bit quotients.
struct Factor {
    SecretVector<std::uint64_t> values, quotients;

    explicit Factor(std::size_t degree) : values(degree), quotients(degree) {}
    void lift(const CompositeRing::Part& part, std::span<const std::int8_t> small) {
        part.arithmetic().lift(small, values);
        part.forward(values);
        part.arithmetic().quotients(values, quotients);
    }
};

// Secret: what is being encrypted mod one modulus, a block of its message, and the error.
std::size_t encryption_words(const CompositeRing& ring) { return ring.degree() + kBlock + ring.degree() / 8; }
// Secret: the product mod each modulus of D, and three polynomials more.
std::size_t decryption_words(const CompositeRing& ring) { return (ring.answers() + 3) * ring.degree(); }

}  // namespace

CompositeMemory server_memory(const CompositeRing& ring) {
    // Each factor has its quotients.
    const std::size_t factors = ring.parts() + ring.answers() + ring.groups();
    return {8 * 2 * factors * ring.degree(),
            8 * (encryption_words(ring) + kBlock + decryption_words(ring) + ring.degree())};
}

struct CompositeSecretKey::State {
    std::shared_ptr<const CompositeRing> ring;
    PublicHalves halves;
    std::vector<Factor> s;         // the ternary secret mod each part of q; its coefficients are not kept
    std::vector<Factor> answer_s;  // mod each modulus of D
    std::vector<Factor> share_s;   // s/D mod each group
    std::vector<std::uint8_t> public_key;
    WorkspacePool encryption_secrets, encryption_publics, decryption_secrets, decryption_publics;
    std::mutex used_mutex;
    std::set<std::array<std::uint32_t, 2>> used;

    State(std::shared_ptr<const CompositeRing> ring_in, const CompositeSeeds& seeds)
        : ring(std::move(ring_in)),
          halves(*ring, seeds),
          encryption_secrets(encryption_words(*ring), Contents::kSecretWork),
          encryption_publics(kBlock, Contents::kPublic),
          decryption_secrets(decryption_words(*ring), Contents::kSecretWork),
          decryption_publics(ring->degree(), Contents::kPublic) {}

    /// Appends error + Delta message - a s mod part i, transformed; without values there is no message. memory: a
    /// polynomial and a block; block: public.
    void append_hidden(std::size_t i, std::span<const std::int8_t> error, std::span<const std::uint32_t> values,
                       PublicHalves::Stream&& a, Words memory, Words block, std::vector<std::uint8_t>& out) const {
        const CompositeRing::Part& part = ring->part(i);
        const Words transformed = memory.first(ring->degree()), message = memory.subspan(ring->degree(), kBlock);
        part.arithmetic().lift(error, transformed);
        part.forward_lazy(transformed);
        // Delta m is Delta times the slots mod the groups, and 0 mod the primes of Delta.
        const bool with_message = i < ring->groups() && !values.empty();
        for_blocks(ring->degree(), [&](std::size_t first, std::size_t size) {
            const Words b = transformed.subspan(first, size);
            a.next(block.first(size));
            if (with_message) ring->message(values, i, first, message.first(size));
            ring->kernels().hide(part.wide(), b.data(), block.data(), s[i].values.data() + first,
                                 s[i].quotients.data() + first, with_message ? message.data() : nullptr, b.data(),
                                 size);
            part.append_packed(b, out);
        });
    }
};

CompositeSecretKey::CompositeSecretKey(std::shared_ptr<const CompositeRing> ring_in, const CompositeSeeds& seeds,
                                       Prng& rng)
    : state_(std::make_unique<State>(std::move(ring_in), seeds)) {
    State& state = *state_;
    const CompositeRing& ring = *state.ring;
    const std::size_t n = ring.degree();
    // Uniform ternary s and an error with sigma >= 3.2: what the security table assumes.
    SecretVector<std::int8_t> small(n);
    lattice::sample_ternary(rng, small, ring.set());
    for (std::size_t i = 0; i < ring.parts(); ++i) state.s.emplace_back(n).lift(ring.part(i), small);
    for (std::size_t i = 0; i < ring.answers(); ++i) state.answer_s.emplace_back(n).lift(ring.answer(i), small);
    AlignedVector<std::uint64_t> constant(n);
    for (std::size_t g = 0; g < ring.groups(); ++g) {
        const lattice::Pointwise& arithmetic = ring.part(g).arithmetic();
        Factor& factor = state.share_s.emplace_back(n);
        std::ranges::fill(constant, ring.inverse_of_d(g));
        arithmetic.multiply(constant, state.s[g].values, state.s[g].quotients, factor.values);
        arithmetic.quotients(factor.values, factor.quotients);
    }
    // Public key b = e - a s: one more RLWE sample, under an a of its own.
    lattice::sample_error(rng, small, ring.set());
    SecretVector<std::uint64_t> memory(n + kBlock);
    AlignedVector<std::uint64_t> block(kBlock);
    for (std::size_t i = 0; i < ring.parts(); ++i)
        state.append_hidden(i, small, {}, PublicHalves::Stream(state.halves, i), memory, block, state.public_key);
}

CompositeSecretKey::~CompositeSecretKey() = default;

void CompositeSecretKey::append_public_key(std::vector<std::uint8_t>& out) const {
    out.insert(out.end(), state_->public_key.begin(), state_->public_key.end());
}

void CompositeSecretKey::encrypt(CompositeVectorId id, std::span<const std::uint32_t> values, Prng& rng,
                                 std::vector<std::uint8_t>& out) {
    const CompositeRing& ring = *state_->ring;
    {
        // Two encryptions under one (a, s) would reveal the difference of their plaintexts: refused before anything is
        // computed.
        const std::lock_guard lock(state_->used_mutex);
        const bool fresh = state_->used.insert({id.chunk, id.vector}).second;
        require(fresh, ErrorKind::kInternal, "a vector of the composite scheme was encrypted twice under one key");
    }
    ring.check_slots(values);
    WorkspacePool::Lease secrets = state_->encryption_secrets.lease(), publics = state_->encryption_publics.lease();
    PolynomialCutter cutter(secrets.words(), ring.degree());
    const std::span<std::int8_t> error = cutter.small();
    lattice::sample_error(rng, error, ring.set());
    out.reserve(out.size() + ring.ciphertext_bytes());
    for (std::size_t i = 0; i < ring.parts(); ++i)
        state_->append_hidden(i, error, values, PublicHalves::Stream(state_->halves, id, i), cutter.rest(),
                              publics.words(), out);
}

void CompositeSecretKey::decrypt(std::span<const std::uint8_t> answer, std::span<std::uint32_t> share) const {
    const CompositeRing& ring = *state_->ring;
    require(answer.size() == ring.answer_bytes(), ErrorKind::kProtocol,
            "an answer of the composite scheme has the wrong size");
    require(share.size() == ring.values(), ErrorKind::kInternal, "the composite scheme gives a value for every slot");
    WorkspacePool::Lease secrets = state_->decryption_secrets.lease(), publics = state_->decryption_publics.lease();
    PolynomialCutter cutter(secrets.words(), ring.degree());
    const std::vector<Words> product = cutter.polynomials(ring.answers());
    const Words quotient = cutter.polynomial(), work = cutter.polynomial(), values = cutter.polynomial(),
                sent = publics.words();
    // S s mod D first: what round(S s/D) leaves out.
    for (std::size_t i = 0; i < ring.answers(); ++i) {
        const CompositeRing::Part& part = ring.answer(i);
        const Factor& s = state_->answer_s[i];
        part.take_packed(answer, product[i]);
        part.forward_lazy(product[i]);
        part.arithmetic().multiply(product[i], s.values, s.quotients, product[i]);
        ring.received_coefficients(i, product[i]);
    }
    ring.received_quotient(reading(product), quotient);
    const std::vector<Residues> rest = with(product, quotient);
    for (std::size_t g = 0; g < ring.groups(); ++g) {
        ring.part(g).take_packed(answer, sent);
        ring.received_share(rest, g, sent, state_->share_s[g].values, state_->share_s[g].quotients, work, values);
        ring.split(values, g, share);
    }
}

}  // namespace flash::scheme
