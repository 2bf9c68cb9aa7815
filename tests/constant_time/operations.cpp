#include "constant_time/operations.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "base/random.h"
#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "lattice/words.h"
#include "protocol/activation/composite/square_shares.h"
#include "scheme/composite.h"
#include "scheme/direct.h"
#ifdef FLASH_VALGRIND
#include <valgrind/memcheck.h>
#endif

namespace flash::constant_time {

void hide([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef FLASH_VALGRIND
    VALGRIND_MAKE_MEM_UNDEFINED(memory, bytes);
#endif
}

void show([[maybe_unused]] const void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef FLASH_VALGRIND
    VALGRIND_MAKE_MEM_DEFINED(memory, bytes);
#endif
}

bool is_watched() {
#ifdef FLASH_VALGRIND
    return RUNNING_ON_VALGRIND > 0;
#else
    return false;
#endif
}

namespace {

constexpr std::size_t kValues = 4096;
constexpr int kShareBits = 12;
constexpr std::uint32_t kPlainModulus = 16760833;
constexpr const char* kDomain = "constant time";

template <class T>
void hide(std::span<T> values) {
    constant_time::hide(values.data(), values.size_bytes());
}
template <class T>
void show(std::span<T> values) {
    constant_time::show(values.data(), values.size_bytes());
}

/// Values below the bound, or zeros. What is done for them must not differ: neither branches, nor what is written when,
/// nor what that leaves in the caches.
void draw(Secret secret, Random& random, std::uint32_t bound, std::span<std::uint32_t> values) {
    show(values);
    const std::uint32_t kept = 0u - static_cast<std::uint32_t>(secret == Secret::kRandom);
    std::uint64_t state = random() | 1;
    for (std::uint32_t& value : values) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        value = static_cast<std::uint32_t>((state >> 32) * bound >> 32) & kept;
    }
    hide(values);
}

/// A generator whose seed is secret.
class HiddenPrng {
public:
    Prng& open(Secret secret, Random& random) {
        const std::uint64_t drawn = random();
        const SecretSeed seed = SecretSeed::for_testing(secret == Secret::kFixed ? 1 : drawn);
        constant_time::hide(seed.bytes().data(), SecretSeed::kBytes);
        return prng_.emplace(seed, kDomain);
    }

private:
    std::optional<Prng> prng_;
};

/// Work on arrays that needs no state of its own.
class ArrayWork final : public Operation {
public:
    using Work = std::function<void(std::span<std::uint32_t> secret)>;
    ArrayWork(std::string name, std::uint32_t bound, Work work)
        : name_(std::move(name)),
          bound_(bound),
          work_(std::move(work)) {}
    std::string name() const override { return name_; }
    void take(Secret secret, Random& random) override { draw(secret, random, bound_, values_); }
    void run() override { work_(values_); }

private:
    const std::string name_;
    const std::uint32_t bound_;
    const Work work_;
    std::vector<std::uint32_t> values_ = std::vector<std::uint32_t>(kValues);
};

class Sampling final : public Operation {
public:
    Sampling(bool error, InstructionSet set) : error_(error), set_(set) {}
    std::string name() const override { return error_ ? "sampling of errors" : "sampling of ternary secrets"; }
    void take(Secret secret, Random& random) override { prng_ = &hidden_.open(secret, random); }
    void run() override {
        if (error_)
            lattice::sample_error(*prng_, out_, set_);
        else
            lattice::sample_ternary(*prng_, out_, set_);
    }

private:
    const bool error_;
    const InstructionSet set_;
    HiddenPrng hidden_;
    Prng* prng_ = nullptr;
    std::vector<std::int8_t> out_ = std::vector<std::int8_t>(kValues);
};

/// The client's key of the linear layers: what it encrypts and decrypts.
class DirectWork final : public Operation {
public:
    enum class Kind { kDecrypt, kEncrypt, kMask };
    DirectWork(Kind kind, const scheme::DirectRing& ring)
        : kind_(kind),
          ring_(ring),
          publics_(Sha256{1, 2, 3}),
          a_(ring.degree),
          b_(ring.degree),
          words_(ring.degree),
          positions_(ring.degree) {
        publics_.upload({1, 1}, a_);
        for (std::size_t i = 0; i < positions_.size(); ++i) positions_[i] = static_cast<std::uint16_t>(i);
        if (kind_ == Kind::kMask) server_.emplace(publics_, ring_, a_);
    }
    std::string name() const override {
        const char* const what = kind_ == Kind::kDecrypt   ? "decryption"
                                 : kind_ == Kind::kEncrypt ? "encryption of shares"
                                                           : "masking of results";
        return std::string(what) + ", n = " + std::to_string(ring_.degree);
    }
    void take(Secret secret, Random& random) override {
        draw(secret, random, ~std::uint32_t{0}, words_);
        prng_ = &hidden_.open(secret, random);
        if (kind_ != Kind::kMask) key_.emplace(publics_, ring_, *prng_);
        if (kind_ == Kind::kEncrypt) prepared_.emplace(key_->prepare({1, 1}, *prng_));
    }
    void run() override {
        switch (kind_) {
            case Kind::kDecrypt: key_->decrypt(a_, positions_, a_, b_); break;
            case Kind::kEncrypt: key_->encrypt(std::move(*prepared_), {0, words_}, b_); break;
            case Kind::kMask: server_->mask(b_, positions_, b2_, words_, *prng_); break;
        }
    }

private:
    const Kind kind_;
    const scheme::DirectRing ring_;
    const scheme::PublicPolynomials publics_;
    HiddenPrng hidden_;
    Prng* prng_ = nullptr;
    scheme::Poly32 a_, b_, words_, b2_ = scheme::Poly32(ring_.degree);
    std::vector<std::uint16_t> positions_;
    std::optional<scheme::DirectPublicKey> server_;
    std::optional<scheme::DirectSecretKey> key_;
    std::optional<scheme::PreparedUpload> prepared_;
};

/// Both parties of the activations.
class CompositeWork final : public Operation {
public:
    enum class Kind { kDecrypt, kEncrypt, kAnswer };
    CompositeWork(Kind kind, InstructionSet set)
        : kind_(kind),
          ring_(scheme::CompositeRing::of(scheme::choose_composite_parameters({4096, 1}, 24, 3, 1 << 18), set)),
          values_(ring_->values()),
          share_(ring_->values()) {
        // An inference in the clear, for the public bytes.
        Prng server(SecretSeed::for_testing(5), kDomain), client(SecretSeed::for_testing(6), kDomain);
        scheme::CompositeSecretKey key(ring_, kSeeds, server);
        std::vector<std::uint8_t> public_key;
        key.append_public_key(public_key);
        key.encrypt(kId, values_, server, ciphertext_);
        evaluator_.emplace(ring_, kSeeds, public_key);
        const scheme::CompositeFactor factor{ciphertext_, values_};
        answer_ = evaluator_->answer(evaluator_->prepare({&kId, 1}, client), {&factor, 1}, share_);
    }
    std::string name() const override {
        return kind_ == Kind::kDecrypt   ? "decryption of answers"
               : kind_ == Kind::kEncrypt ? "encryption of vectors"
                                         : "answers";
    }
    void take(Secret secret, Random& random) override {
        draw(secret, random, ring_->plain_moduli().front(), values_);
        prng_ = &hidden_.open(secret, random);
        if (kind_ == Kind::kAnswer)
            prepared_ = evaluator_->prepare({&kId, 1}, *prng_);
        else
            key_.emplace(ring_, kSeeds, *prng_);
        out_.clear();
    }
    void run() override {
        switch (kind_) {
            case Kind::kDecrypt: key_->decrypt(answer_, share_); break;
            case Kind::kEncrypt: key_->encrypt(kId, values_, *prng_, out_); break;
            case Kind::kAnswer: {
                const scheme::CompositeFactor factor{ciphertext_, values_};
                out_ = evaluator_->answer(std::move(prepared_), {&factor, 1}, share_);
                break;
            }
        }
    }

private:
    static constexpr scheme::CompositeSeeds kSeeds{{1, 2, 3}, {4, 5, 6}};
    static constexpr scheme::CompositeVectorId kId{};

    const Kind kind_;
    const std::shared_ptr<const scheme::CompositeRing> ring_;
    HiddenPrng hidden_;
    Prng* prng_ = nullptr;
    std::vector<std::uint32_t> values_, share_;
    std::vector<std::uint8_t> ciphertext_, answer_, out_;
    std::optional<scheme::CompositeEvaluator> evaluator_;
    std::optional<scheme::CompositeSecretKey> key_;
    scheme::PreparedAnswer prepared_;
};

/// Packed bytes, back to words.
class Unpacking final : public Operation {
public:
    explicit Unpacking(InstructionSet set) : set_(set) {}
    std::string name() const override { return "unpacking of 26 bits"; }
    void take(Secret secret, Random& random) override {
        draw(secret, random, 1u << 26, values_);
        lattice::pack(std::span<const std::uint32_t>(values_), 26, bytes_, set_);
    }
    void run() override { lattice::unpack(bytes_, 26, std::span(values_), set_); }

private:
    const InstructionSet set_;
    std::vector<std::uint32_t> values_ = std::vector<std::uint32_t>(kValues);
    std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(lattice::packed_bytes(kValues, 26));
};

/// The vectors that results of share arithmetic go to.
struct Vectors {
    std::array<std::vector<std::uint32_t>, protocol::kSquareProducts> arrays;
    std::vector<std::uint32_t> addend = std::vector<std::uint32_t>(kValues);
    std::vector<std::int32_t> kappa = std::vector<std::int32_t>(kValues, 77);
    std::vector<std::int32_t> offset = std::vector<std::int32_t>(kValues, -5);

    Vectors() {
        for (auto& array : arrays) array.resize(kValues);
    }
    protocol::SquareVectors all() { return {arrays[0], arrays[1], arrays[2]}; }
};

class Leaking final : public Operation {
public:
    std::string name() const override { return "a comparison that returns early"; }
    void take(Secret secret, Random& random) override { draw(secret, random, 2, values_); }
    void run() override { found_ = std::ranges::find(values_, 1u) - values_.begin(); }

private:
    std::vector<std::uint32_t> values_ = std::vector<std::uint32_t>(kValues);
    volatile std::ptrdiff_t found_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<Operation>> operations(InstructionSet set) {
    std::vector<std::unique_ptr<Operation>> all;
    const auto arrays = [&](const char* name, std::uint32_t bound, ArrayWork::Work work) {
        all.push_back(std::make_unique<ArrayWork>(name, bound, std::move(work)));
    };
    all.push_back(std::make_unique<Sampling>(false, set));
    all.push_back(std::make_unique<Sampling>(true, set));
    for (const scheme::DirectRing& ring : scheme::kDirectRings)
        for (const auto kind : {DirectWork::Kind::kDecrypt, DirectWork::Kind::kEncrypt, DirectWork::Kind::kMask})
            all.push_back(std::make_unique<DirectWork>(kind, ring));
    for (const auto kind : {CompositeWork::Kind::kDecrypt, CompositeWork::Kind::kEncrypt, CompositeWork::Kind::kAnswer})
        all.push_back(std::make_unique<CompositeWork>(kind, set));
    const auto vectors = std::make_shared<Vectors>();
    constexpr std::uint32_t kShares = 1u << kShareBits;
    arrays("the server's vectors", kShares, [=](std::span<std::uint32_t> shares) {
        protocol::server_vectors(shares, vectors->kappa, kShareBits, kPlainModulus, vectors->all(), set);
    });
    arrays("the client's vectors", kShares, [=](std::span<std::uint32_t> shares) {
        protocol::client_vectors(shares, kShareBits, kPlainModulus, vectors->all(), vectors->addend, set);
    });
    arrays("the end of the server's share", kShares, [=](std::span<std::uint32_t> shares) {
        protocol::finish_server_share(vectors->addend, shares, vectors->kappa, vectors->offset, kPlainModulus, set);
    });
    arrays("scaling of shares", kPlainModulus, [=](std::span<std::uint32_t> shares) {
        [[maybe_unused]] const volatile bool all_below =
            lattice::add_scaled(shares, kPlainModulus, vectors->addend, set);
    });
    arrays("rounding to the top bits", ~0u,
           [=](std::span<std::uint32_t> words) { lattice::round_to_top_bits(words, 20, set); });
    const auto bytes = std::make_shared<std::vector<std::uint8_t>>(lattice::packed_bytes(kValues, 26));
    arrays("packing of 26 bits", 1u << 26, [=](std::span<std::uint32_t> words) {
        lattice::pack(std::span<const std::uint32_t>(words), 26, *bytes, set);
    });
    all.push_back(std::make_unique<Unpacking>(set));
    return all;
}

std::unique_ptr<Operation> leaking_operation() { return std::make_unique<Leaking>(); }

}  // namespace flash::constant_time
