#include "scheme/composite.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/hash.h"
#include "lattice/sampling.h"
#include "scheme/workspace.h"

namespace flash::scheme {

namespace {

using Words = CompositeRing::Words;
using Residues = CompositeRing::Residues;

/// The public halves, uniform in transformed form as well, so they are expanded there and never transformed. Streams of
/// one inference with other parameters have other keys.
class PublicHalves {
public:
    PublicHalves(const CompositeRing& ring, const CompositeSeeds& seeds)
        : PublicHalves(ring, sha256_parts({seeds.client_nonce, seeds.server_seed}), ring.parameters()) {}

    /// One half mod one part, from its front.
    class Stream {
    public:
        /// Of the public key; of a vector.
        Stream(const PublicHalves& halves, std::size_t part) : Stream(halves, halves.key_, part, 0, part) {}
        Stream(const PublicHalves& halves, CompositeVectorId id, std::size_t part)
            : Stream(halves, halves.vectors_, id.chunk, std::uint64_t{id.vector} << 8 | part, part) {
            require(id.vector < static_cast<std::uint32_t>(halves.ring_.parameters().rank), ErrorKind::kInternal,
                    "the name of a vector of the composite scheme is out of range");
        }
        void next(Words out) { lattice::sample_uniform(rng_, modulus_, out, set_); }

    private:
        Stream(const PublicHalves& halves, const StreamKey& key, std::uint64_t a, std::uint64_t b, std::size_t part)
            : rng_(key.stream(a, b)),
              modulus_(halves.ring_.part(part).modulus()),
              set_(halves.ring_.set()) {}
        Prng rng_;
        const lattice::Modulus& modulus_;
        InstructionSet set_;
    };

private:
    PublicHalves(const CompositeRing& ring, const PublicSeed& seed, const CompositeParameters& p)
        : ring_(ring),
          key_(seed, "flash composite key a",
               {p.degree, word(p.residues), word(p.plain_bits), word(p.rank), word(p.delta_bits), word(p.answer_bits)},
               ring.set()),
          vectors_(
              seed, "flash composite vector a",
              {p.degree, word(p.residues), word(p.plain_bits), word(p.rank), word(p.delta_bits), word(p.answer_bits)},
              ring.set()) {}
    static std::uint64_t word(int x) { return static_cast<std::uint64_t>(x); }

    const CompositeRing& ring_;
    StreamKey key_, vectors_;
};

/// Passes over several arrays go through them in blocks that fit into a first-level cache, and make there what they
/// need only once: public halves, and what is received.
constexpr std::size_t kBlock = 1024;

/// f(first, size) for each block of so many coefficients.
template <class F>
void for_blocks(std::size_t degree, const F& f) {
    for (std::size_t first = 0; first < degree; first += kBlock) f(first, std::min(kBlock, degree - first));
}

/// Cuts a block of memory into polynomials.
class PolynomialCutter {
public:
    PolynomialCutter(std::span<std::uint64_t> words, std::size_t degree) : rest_(words), degree_(degree) {}
    Words polynomial() { return words(degree_); }
    std::vector<Words> polynomials(std::size_t count) {
        std::vector<Words> result(count);
        for (Words& x : result) x = polynomial();
        return result;
    }
    Words rest() const { return rest_; }
    std::span<std::int8_t> small() { return {reinterpret_cast<std::int8_t*>(words(degree_ / 8).data()), degree_}; }

private:
    Words words(std::size_t count) {
        const Words result = rest_.first(count);
        rest_ = rest_.subspan(count);
        return result;
    }
    Words rest_;
    std::size_t degree_;
};

/// The same memory for reading, with one more array at the end.
std::vector<Residues> with(std::span<const Words> x, Words last) {
    std::vector<Residues> result(x.begin(), x.end());
    result.emplace_back(last);
    return result;
}

std::vector<Residues> reading(std::span<const Words> x) { return {x.begin(), x.end()}; }

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

}  // namespace

// ------------------------------------------------------------------------------------------------------- the server

namespace {

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

// ------------------------------------------------------------------------------------------------------- the client

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
