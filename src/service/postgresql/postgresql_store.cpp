#include "service/postgresql/postgresql_store.h"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <charconv>
#include <initializer_list>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace flash::service {

namespace {

using Clock = std::chrono::steady_clock;

/// The rows of an answer, or why there is none.
struct Answer {
    std::vector<std::vector<std::string>> rows;
    std::string problem;  // empty: none
};

class Postgresql {
public:
    explicit Postgresql(std::string url) : url_(std::move(url)) {}

    /// Error(kFile) unless there is a connection that works, as far as that is known.
    void connect(Clock::time_point end) {
        if (connection_ && PQstatus(connection_.get()) == CONNECTION_OK) return;
        // What is given here comes before the URL: a server that hangs must not hang this one.
        const char* const keywords[] = {"dbname", "application_name", nullptr};
        const char* const values[] = {url_.c_str(), "flash serve", nullptr};
        connection_.reset(PQconnectStartParams(keywords, values, 1));
        if (!connection_) throw Error(ErrorKind::kFile, "budgets: out of memory");
        PostgresPollingStatusType state = PGRES_POLLING_WRITING;
        while (PQstatus(connection_.get()) != CONNECTION_BAD && state != PGRES_POLLING_FAILED) {
            if (!wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT, end)) lose("it does not answer");
            state = PQconnectPoll(connection_.get());
            if (state == PGRES_POLLING_OK) {
                PQsetnonblocking(connection_.get(), 1);
                return;
            }
        }
        lose(PQerrorMessage(connection_.get()));
    }
    /// One statement. Error(kFile) if the connection is lost or does not answer in time; it is given up then.
    Answer ask(const char* statement, std::initializer_list<std::string> arguments, Clock::time_point end) {
        std::vector<const char*> values;
        for (const std::string& argument : arguments) values.push_back(argument.c_str());
        if (PQsendQueryParams(connection_.get(), statement, static_cast<int>(values.size()), nullptr, values.data(),
                              nullptr, nullptr, 0) != 1)
            lose(PQerrorMessage(connection_.get()));
        for (int left = 0; (left = PQflush(connection_.get())) != 0;)
            if (left < 0 || !wait(POLLOUT, end)) lose("it takes no question");
        Answer answer;
        while (true) {
            while (PQisBusy(connection_.get()) != 0) {
                if (!wait(POLLIN, end)) lose("it does not answer");
                if (PQconsumeInput(connection_.get()) != 1) lose(PQerrorMessage(connection_.get()));
            }
            const std::unique_ptr<PGresult, Clear> result(PQgetResult(connection_.get()));
            if (!result) break;
            take(*result, answer);
        }
        if (PQstatus(connection_.get()) != CONNECTION_OK) lose(answer.problem);
        return answer;
    }
    /// The same; an answer that is none is an Error too.
    Answer must(const char* statement, std::initializer_list<std::string> arguments, Clock::time_point end) {
        Answer answer = ask(statement, arguments, end);
        if (!answer.problem.empty()) throw Error(ErrorKind::kFile, sentence(answer.problem));
        return answer;
    }
    void give_up() { connection_.reset(); }

private:
    struct Finish {
        void operator()(PGconn* connection) const { PQfinish(connection); }
    };
    struct Clear {
        void operator()(PGresult* result) const { PQclear(result); }
    };

    static void take(PGresult& result, Answer& answer) {
        const ExecStatusType status = PQresultStatus(&result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && answer.problem.empty())
            answer.problem = PQresultErrorMessage(&result);
        for (int row = 0; row < PQntuples(&result); ++row) {
            auto& cells = answer.rows.emplace_back();
            for (int column = 0; column < PQnfields(&result); ++column)
                cells.emplace_back(PQgetvalue(&result, row, column));
        }
    }
    bool wait(short what, Clock::time_point end) const {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        pollfd ready{PQsocket(connection_.get()), what, 0};
        return left.count() > 0 && ::poll(&ready, 1, static_cast<int>(left.count())) == 1;
    }
    static std::string sentence(std::string_view problem) {
        while (!problem.empty() && problem.back() == '\n') problem.remove_suffix(1);
        return fmt::format("budgets in PostgreSQL: {}", problem);
    }
    [[noreturn]] void lose(std::string_view problem) {
        const std::string why = sentence(problem.empty() ? "the connection was lost" : problem);
        connection_.reset();
        throw Error(ErrorKind::kFile, why);
    }

    const std::string url_;
    std::unique_ptr<PGconn, Finish> connection_;
};

constexpr const char* kTable =
    "CREATE TABLE IF NOT EXISTS flash_spent (key TEXT PRIMARY KEY, minute BIGINT NOT NULL, in_minute BIGINT NOT NULL, "
    "day BIGINT NOT NULL, in_day BIGINT NOT NULL)";
constexpr const char* kRead = "SELECT minute, in_minute, day, in_day FROM flash_spent WHERE key = $1";
constexpr const char* kReadToWrite = "SELECT minute, in_minute, day, in_day FROM flash_spent WHERE key = $1 FOR UPDATE";

std::int64_t number_of(const std::string& text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        throw Error(ErrorKind::kFile, "budgets in PostgreSQL: the table flash_spent holds something else than numbers");
    return number;
}

SpentCounts counts_of(const Answer& answer) {
    if (answer.rows.empty()) return {};
    const auto& row = answer.rows.front();
    return {number_of(row.at(0)), number_of(row.at(2)), static_cast<std::uint64_t>(number_of(row.at(1))),
            static_cast<std::uint64_t>(number_of(row.at(3)))};
}

class PostgresqlStore final : public BudgetStore {
public:
    explicit PostgresqlStore(const std::string& url) : database_(url) {
        const auto end = Clock::now() + kPatience;
        database_.connect(end);
        // Two servers that start at once may both find no table: one of them is told that there is one by now.
        if (!database_.ask(kTable, {}, end).problem.empty()) database_.must(kTable, {}, end);
    }

    SpentCounts read(const std::string& key) override {
        SpentCounts counts;
        in_turn([&](Clock::time_point end) { counts = counts_of(database_.must(kRead, {key}, end)); });
        return counts;
    }
    void update(const std::string& key, const Change& change) override {
        in_turn([&](Clock::time_point end) {
            database_.must("BEGIN", {}, end);
            try {
                database_.must("INSERT INTO flash_spent VALUES ($1, 0, 0, 0, 0) ON CONFLICT DO NOTHING", {key}, end);
                const auto changed = change(counts_of(database_.must(kReadToWrite, {key}, end)));
                if (changed)
                    database_.must(
                        "UPDATE flash_spent SET minute = $2, in_minute = $3, day = $4, in_day = $5 WHERE key = $1",
                        {key, std::to_string(changed->minute), std::to_string(changed->in_minute),
                         std::to_string(changed->day), std::to_string(changed->in_day)},
                        end);
                database_.must(changed ? "COMMIT" : "ROLLBACK", {}, end);
            } catch (...) {
                database_.give_up();  // with it goes what was begun
                throw;
            }
        });
    }
    void forget(std::int64_t today) override {
        in_turn([&](Clock::time_point end) {
            database_.must(
                "DELETE FROM flash_spent WHERE day < $1 AND EXISTS (SELECT 1 FROM flash_spent WHERE day >= $1 AND day "
                "< $2)",
                {std::to_string(today - kKeptDays), std::to_string(today)}, end);
        });
    }

private:
    /// One after the other, each within its patience, whatever those before it wait for. A connection that the other
    /// side has ended, as it does when it is started again, shows itself with the first question: that is asked again.
    template <class Action>
    void in_turn(Action action) {
        const auto end = Clock::now() + kPatience;
        const std::unique_lock lock(mutex_, end);
        if (!lock) throw Error(ErrorKind::kFile, "budgets in PostgreSQL: it does not answer");
        database_.connect(end);
        try {
            database_.ask("SELECT 1", {}, end);
        } catch (const Error&) {
            database_.connect(end);
        }
        action(end);
    }

    std::timed_mutex mutex_;
    Postgresql database_;
};

}  // namespace

std::unique_ptr<BudgetStore> open_postgresql_store(const std::string& url) {
    return std::make_unique<PostgresqlStore>(url);
}

void check_postgresql_store(const std::string& url) { Postgresql(url).connect(Clock::now() + BudgetStore::kPatience); }

}  // namespace flash::service
