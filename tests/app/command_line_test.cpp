// Command lines that are wrong, with the status that each ends with and a part of what it says; and some that are
// right.

#include "app/command.h"
#include "app/shortage.h"
#include "base/error.h"
#include "data/npy.h"

namespace flash {
namespace {

struct Line {
    std::vector<std::string> words;
    int status;
    const char* says;  ///< on standard error; for status 0 on standard output
};

class CommandLine : public Command {
protected:
    void check(const std::vector<Line>& lines) {
        for (const Line& line : lines) {
            std::string shown;
            for (const std::string& word : line.words) shown += " " + word;
            const auto begin = std::chrono::steady_clock::now();
            const Outcome o = flash(line.words);
            EXPECT_EQ(o.status, line.status) << shown << "\n" << o.err;
            EXPECT_THAT(line.status == 0 ? o.out : o.err, testing::HasSubstr(line.says)) << shown;
            EXPECT_LT(o.err.size(), 1000u) << shown;
            EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s) << shown;
            if (line.status != 0) {
                EXPECT_EQ(o.out, "") << shown;
            }
        }
    }
};

TEST_F(CommandLine, OfTheProgram) {
    check({
        {{}, 2, "A subcommand is required"},
        {{"bogus"},
         2,
         "there is no command 'bogus'; the commands are compile, plan, serve, infer, models, token, eval, bench"},
        {{"Plan", "x"}, 2, "there is no command 'Plan'"},
        {{"http://host"}, 2, "there is no command 'http://host'"},
        {{""}, 2, "there is no command ''"},
        {{"--bogus"}, 2, "A subcommand is required"},
        {{"plan", "x", "--bogus"}, 2, "--bogus"},
        {{"plan", "x", "y"}, 2, "y"},
        {{"--help"}, 0, "COMMAND --help"},
        {{"plan", "--help"}, 0, "--replan"},
        {{"serve", "--help"}, 0, "--renew-certificate"},
        {{"infer", "--help"}, 0, "--retry"},
        {{"compile", "--help"}, 0, "--classes"},
        {{"compile", "--help"}, 0, "operator sets 7 to 23"},
        {{"infer", "--help"}, 0, "- for standard input"},
        {{"--version"}, 0, "flash "},
    });
}

TEST_F(CommandLine, OfPlan) {
    const std::string net = model();
    fs::create_directories(dir_ / "folder");
    check({
        {{"plan"}, 2, "model is required"},
        {{"plan", dir_ / "absent"}, 5, "No such file"},
        {{"plan", dir_ / "folder"}, 5, "is not a regular file"},
        {{"plan", "/dev/null"}, 5, "is not a regular file"},
        {{"plan", onnx_}, 5, "not a compiled Flash model"},
        {{"plan", net, "--cores", "0"}, 2, "'0' is not a whole number from 1 to 4096"},
        {{"plan", net, "--cores", "-1"}, 2, "'-1' is not a whole number"},
        {{"plan", net, "--cores", "1.5"}, 2, "'1.5' is not a whole number"},
        {{"plan", net, "--cores", "nan"}, 2, "'nan' is not a whole number"},
        {{"plan", net, "--cores", "99999999999999999999"}, 2, "is not a whole number"},
        {{"plan", net, "--cores", ""}, 2, "'' is not a whole number"},
        {{"plan", dir_ / "absent", "--link", "fast"}, 2, "'fast' is no link"},
        {{"plan", net, "--link", "0,0ms"}, 2, "is no link"},
        {{"plan", net, "--link", "0k,0ms"}, 2, "between 1k and 1000G"},
        {{"plan", net, "--link", "nanM,1ms"}, 2, ""},
        {{"plan", net, "--link", "infM,1ms"}, 2, ""},
        {{"plan", net, "--link", "-5M,1ms"}, 2, ""},
        {{"plan", net, "--link", "1M,61s"}, 2, "between 0 and 60 s"},
        {{"plan", net, "--link", "1M"}, 2, "is no link"},
        {{"plan", net, "--bytes-only", "--replan", "x"}, 2, "--replan"},
        {{"plan", net, "--bytes-only", "--link", "wan"}, 2, "--link"},
        {{"plan", net, "--bytes-only", "--cores", "2"}, 2, "--cores"},
        {{"plan", net, "--replan", dir_ / "no/such"}, 5, "its folder: No such file"},
        {{"plan", net, "--replan", dir_ / "folder"}, 5, "Is a directory"},
        {{"plan", net, "--replan", ""}, 2, "--replan: it is empty"},
        {{"plan", net, "--replan", "/dev/full"}, 5, "No space left on device"},
        {{"plan", ""}, 5, "cannot open ''"},
        {{"plan", net, "--bytes-only"}, 0, "pictures: unknown: only arrays (.npy) are taken"},
    });
}

TEST_F(CommandLine, OfCompile) {
    const std::string data = "npy:" + input_.string();
    const auto compile = [&](std::vector<std::string> more) {
        std::vector<std::string> words{"compile", onnx_, "--calib", data, "--out", dir_ / "out.flash"};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    };
    std::ofstream(dir_ / "classes") << "one\ntwo\n";
    std::ofstream(dir_ / "latin1") << "one\nb\xe4r\n";
    fs::create_symlink("loop", dir_ / "loop");
    fs::create_symlink("nowhere/net.flash", dir_ / "astray");
    fs::create_directories(dir_ / "nothing");
    data::NpyArray zero = data::read_npy(input_.string());
    std::ranges::fill(zero.values, 0.0F);
    data::write_npy((dir_ / "zero.npy").string(), zero.shape, zero.values);
    check({
        {{"compile"}, 2, "is required"},
        {{"compile", onnx_}, 2, "--calib is required"},
        {{"compile", dir_ / "absent", "--calib", data}, 5, "No such file"},
        {{"compile", "/dev/null", "--calib", data}, 5, ""},
        {{"compile", input_, "--calib", data, "--out", dir_ / "x"}, 5, ""},
        {{"compile", onnx_, "--calib", "cifar"}, 2, "is not a data set"},
        {{"compile", onnx_, "--calib", "npy:"}, 2, "is not a data set"},
        {{"compile", onnx_, "--calib", "npy:" + (dir_ / "absent").string()}, 5, "No such file"},
        {{"compile", onnx_, "--calib", "images:" + (dir_ / "absent").string()}, 5, "absent"},
        {{"compile", onnx_, "--calib", data, "--out", onnx_}, 2, "would be overwritten"},
        {{"compile", onnx_, "--calib", data, "--out", input_}, 2, "would be overwritten"},
        {{"compile", onnx_, "--calib", data, "--out", dir_ / "no/such"}, 5, "its folder: No such file"},
        {{"compile", onnx_, "--calib", data, "--out", dir_}, 5, "Is a directory"},
        {{"compile", onnx_, "--calib", data, "--out", ""}, 2, "--out: it is empty"},
        {{"compile", onnx_, "--calib", data, "--out", dir_ / "classes/x"}, 5, "Not a directory"},
        {{"compile", onnx_, "--calib", data, "--out", dir_ / std::string(300, 'x')}, 5, "File name too long"},
        {{"compile", onnx_, "--calib", data, "--out", dir_ / "loop"}, 5, "Too many levels of symbolic links"},
        {{"compile", onnx_, "--calib", data, "--out", dir_ / "astray"}, 5, "its folder: No such file"},
        {{"compile", onnx_, "--calib", "images:" + (dir_ / "nothing").string()},
         5,
         "there are no PNG or JPEG pictures"},
        {{"compile", onnx_, "--calib", "npy:" + (dir_ / "zero.npy").string()}, 2, "are zero"},
        {compile({"--calib-images", "0"}), 2, "'0' is not a whole number from 1"},
        {compile({"--calib-images", "-5"}), 2, "'-5' is not a whole number"},
        {compile({"--threads", "0"}), 2, "'0' is not a whole number from 1 to 4096"},
        {compile({"--threads", "-2"}), 2, "'-2' is not"},
        {compile({"--share-bits", "5"}), 2, "'5' is not a whole number from 6 to 16"},
        {compile({"--share-bits", "17"}), 2, "'17' is not"},
        {compile({"--plain-bits", "23"}), 2, "'23' is not a whole number from 24 to 28"},
        {compile({"--target-snr", "nan"}), 2, "'nan' is not a number from 0 to 120"},
        {compile({"--target-snr", "inf"}), 2, "'inf' is not a number"},
        {compile({"--target-snr", "-1"}), 2, "'-1' is not a number"},
        {compile({"--margin", "0.5"}), 2, "'0.5' is not a number from 1 to 16"},
        {compile({"--margin", "nan"}), 2, "'nan' is not a number"},
        {compile({"--margin", "much"}), 2, "'much' is not a number"},
        {compile({"--cores", "2"}), 2, "--cores requires --link"},
        {compile({"--link", "fast"}), 2, "'fast' is no link"},
        {compile({"--link", "lan", "--cores", "0"}), 2, "'0' is not"},
        {compile({"--input-size", "7"}), 2, "--input-size is 7x7, but the network's input is"},
        {compile({"--input-size", "0"}), 2, "'0' is not"},
        {compile({"--resize", "-1"}), 2, "'-1' is not"},
        {compile({"--resize", "1"}), 2, "--resize 1 is smaller than the network's input"},
        {compile({"--mean", "1,2,3,4,5,6,7"}), 2, "--mean has 7 values, but the network has"},
        {compile({"--mean", "nan"}), 2, "'nan' is not a number"},
        {compile({"--std", "0"}), 2, "'0' is not a number"},
        {compile({"--std", "-1"}), 2, "'-1' is not a number"},
        {compile({"--scale", "0"}), 2, "'0' is not a number"},
        {compile({"--scale", "nan"}), 2, "'nan' is not a number"},
        {compile({"--input-size", "16", "16", "16"}), 2, "--input-size"},
        {compile({"--slots", "8192"}), 2, "'8192' is not one of 4096,1"},
        {compile({"--least-agreement", "1.1"}), 2, "'1.1' is not a number from 0 to 1"},
        {compile({"--name", ""}), 2, "--name: it is empty"},
        {compile({"--name", std::string(5000, 'x')}), 2, "what --name gives cannot be a name: it has 5000 bytes"},
        {compile({"--name", "\xff"}), 2, "it is not UTF-8"},
        {compile({"--classes", ""}), 2, "--classes: it is empty"},
        {compile({"--classes", dir_ / "latin1"}), 2, "the 2. line of"},
        {compile({"--seed", "1"}), 2, "--seed"},
        {compile({"--classes", dir_ / "absent"}), 5, "No such file"},
        {compile({"--classes", dir_ / "classes"}), 2, "names 2 classes, but the network has"},
    });
    EXPECT_FALSE(fs::exists(dir_ / "out.flash"));
}

TEST_F(CommandLine, OfServe) {
    const std::string net = model();
    const auto serve = [&](std::vector<std::string> more) {
        std::vector<std::string> words{"serve", net, "--cert-dir", dir_ / "state"};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    };
    fs::create_directories(dir_ / "half");
    std::ofstream(dir_ / "half/server.crt") << "x";
    std::ofstream(dir_ / "file") << "x";
    check({
        {{"serve"}, 2, "give one compiled model, or a folder of them"},
        {{"serve", dir_ / "absent", "--cert-dir", dir_ / "state"}, 5, "No such file"},
        {serve({"--listen", "http://127.0.0.1:7400"}), 2, "it is a URL; leave out what stands before the host"},
        {serve({"--listen", "127.0.0.1"}), 2, "the port is missing"},
        {serve({"--listen", "127.0.0.1:65536"}), 2, "at most 65535"},
        {serve({"--listen", "127.0.0.1:-1"}), 2, "the port is not a number"},
        {serve({"--listen", "::1:7400"}), 2, "an IPv6 address needs brackets"},
        {serve({"--listen", ""}), 2, "it is empty"},
        {serve({"--timeout", "0"}), 2, "'0' is not a whole number from 1 to 31622400"},
        {serve({"--timeout", "-1"}), 2, "'-1' is not a whole number"},
        {serve({"--timeout", "0.5"}), 2, "'0.5' is not a whole number"},
        {serve({"--timeout", "1e3"}), 2, "'1e3' is not a whole number"},
        {serve({"--timeout", "99999999999"}), 2, "is not a whole number"},
        {serve({"--idle-timeout", "0"}), 2, "'0' is not"},
        {serve({"--max-sessions", "0"}), 2, "'0' is not"},
        {serve({"--max-sessions", "-1"}), 2, "'-1' is not"},
        {serve({"--threads", "0"}), 2, "'0' is not"},
        {serve({"--transform-memory", "-1"}), 2, "'-1' is not"},
        {serve({"--cert", "x"}), 2, "--cert and --key belong together"},
        {serve({"--key", "x"}), 2, "--cert and --key belong together"},
        {serve({"--cert", dir_ / "absent", "--key", dir_ / "absent"}), 5, "No such file"},
        {serve({"--cert", "x", "--key", "x", "--host", "h"}), 2, "are for a self-signed certificate"},
        {serve({"--host", "not a name"}), 2, "host names or IP addresses"},
        {serve({"--port-file", dir_ / "no/such"}), 5, "its folder: No such file"},
        {serve({"--port-file", dir_}), 5, "Is a directory"},
        {serve({"--port-file", "/dev/full", "--listen", "127.0.0.1:0"}), 5, "No space left on device"},
        {serve({"--cache", ""}), 2, "--cache: it is empty"},
        {serve({"--reveal", "99"}), 2, "'99' is not a whole number from 6 to 16"},
        {serve({"--listen", "192.0.2.1:0"}), 6, "cannot listen on 192.0.2.1:0"},
        {{"serve", net, "--cert-dir", ""}, 2, "--cert-dir: it is empty"},
        {serve({"--cache", "x", "--no-cache"}), 2, "--no-cache"},
        {{"serve", net, "--cert-dir", dir_ / "half"}, 5, "put it back, or remove the other one too"},
        {{"serve", net, "--cert-dir", dir_ / "file"}, 5, "cannot create"},
    });
    EXPECT_EQ(read_file(dir_ / "half/server.crt"), "x") << "half a pair is not replaced";
}

TEST_F(CommandLine, OfInfer) {
    fs::create_directories(dir_ / "empty");
    std::ofstream(dir_ / "file") << "x";
    const std::string input = input_;
    const auto infer = [&](std::vector<std::string> more) {
        std::vector<std::string> words{"infer", "--server", "127.0.0.1:1", input};
        words.insert(words.end(), more.begin(), more.end());
        return words;
    };
    check({
        {{"infer"}, 2, "is required"},
        {{"infer", input}, 2, "--server is required"},
        {{"infer", "--server", "127.0.0.1:1"}, 2, "inputs is required"},
        {{"infer", "--server", "http://127.0.0.1:7400", input}, 2, "it is a URL"},
        {{"infer", "--server", "https://[::1]:7400/x", input}, 2, "it is a URL"},
        {{"infer", "--server", "localhost", input}, 2, "the port is missing"},
        {{"infer", "--server", "127.0.0.1:1", dir_ / "absent.png"}, 5, "there is no file"},
        {{"infer", "--server", "127.0.0.1:1", dir_ / "empty"}, 5, "there is no picture"},
        {infer({}), 6, "cannot connect to 127.0.0.1:1"},
        {infer({"--timeout", "0"}), 2, "'0' is not a whole number"},
        {infer({"--timeout", "-3"}), 2, "'-3' is not"},
        {infer({"--timeout", "030"}), 2, "'030' is not a whole number from 1 to 31622400, without leading zeros"},
        {infer({"--timeout", "nan"}), 2, "'nan' is not"},
        {infer({"--top", "0"}), 2, "'0' is not"},
        {infer({"--top", "-1"}), 2, "'-1' is not"},
        {infer({"--threads", "0"}), 2, "'0' is not"},
        {infer({"--retry", "-1"}), 2, "'-1' is not a whole number from 0 to 1000"},
        {infer({"--pin", "sha256:1"}), 2, "64 hexadecimal digits"},
        {infer({"--pin", "sha256:1", "--ca", "x"}), 2, "exclude each other"},
        {infer({"--ca", dir_ / "absent"}), 5, "cannot read trusted certificates"},
        {infer({"--token-file", dir_ / "absent"}), 5, "No such file"},
        {infer({"--token-file", dir_ / "file"}), 5, "holds no token"},
        {infer({"--client-cert", dir_ / "file"}), 2, "belong together"},
        {infer({"--client-cert", dir_ / "absent", "--client-key", dir_ / "absent"}), 5, "No such file"},
        {infer({"--model", "a b"}), 2, "a model is named NAME or NAME/VERSION"},
        {infer({"--model", "net/one"}), 2, "a whole number, as in NAME/3"},
        {infer({"--model", std::string(64, 'x')}), 2, "64 hexadecimal digits"},
        {infer({"--json", "--json-lines"}), 2, "exclude each other"},
        {infer({"--parallel", "0"}), 2, "'0' is not a whole number from 1 to 64"},
        {infer({"--results", ""}), 2, "--results: it is empty"},
        {infer({"--trace", dir_}), 5, "Is a directory"},
        {infer({"--server", "127.0.0.1:2"}), 2, "--server"},
        {{"infer", "--server", "127.0.0.1:1", "-", "-"}, 2, "standard input (-) is given more than once"},
        {{"infer", "--server", "127.0.0.1:1", ""}, 5, "there is no file"},
        {{"infer", "--server", "127.0.0.1:0", input}, 6, "cannot connect to 127.0.0.1:0"},
        {infer({"--trace", dir_ / "no/such"}), 5, "its folder: No such file"},
    });
}

TEST_F(CommandLine, OfEvalAndBench) {
    const std::string net = model(), data = "npy:" + input_.string();
    fs::create_directories(dir_ / "nothing");
    check({
        {{"eval", net}, 2, "--data is required"},
        {{"eval", net, "--data", "x"}, 2, "is not a data set"},
        {{"eval", dir_ / "absent", "--data", data}, 5, "No such file"},
        {{"eval", net, "--data", data, "--limit", "-1"}, 2, "'-1' is not"},
        {{"eval", net, "--data", data, "--limit", "0"}, 2, "'0' is not"},
        {{"eval", net, "--data", data, "--private", "-1"}, 2, "'-1' is not"},
        {{"eval", net, "--data", data, "--trace", "x"}, 2, "--trace needs --private"},
        {{"eval", net, "--data", data, "--private", "1", "--trace", dir_ / "no/such"}, 5, "its folder"},
        {{"eval", net, "--data", data, "--private", "1", "--trace", net}, 2, "would be overwritten"},
        {{"eval", net, "--data", data, "--private", "1", "--trace", input_}, 2, "would be overwritten"},
        {{"eval", net, "--data", data, "--threads", "x"}, 2, "'x' is not"},
        {{"bench"}, 2, "subcommand is required"},
        {{"bench", "bogus"}, 2, ""},
        {{"bench", "layers", "--layer", "nonsense"}, 2, "nonsense"},
        {{"bench", "layers", "--runs", "0"}, 2, "'0' is not"},
        {{"bench", "layers", "--degree", "512"}, 2, "512"},
        {{"bench", "layers", "--json", dir_ / "no/such"}, 5, "its folder"},
        {{"bench", "network", dir_ / "absent"}, 5, "No such file"},
        {{"bench", "network", net, "--link", "fast"}, 2, "'fast' is no link"},
        {{"bench", "network", net, "--json", net}, 2, "would be overwritten"},
        {{"bench", "network", net, "--data", ""}, 2, "--data: it is empty"},
        {{"bench", "network", net, "--onnx", ""}, 2, "--onnx: it is empty"},
        {{"serve", net, "--listen", "127.0.0.1:0", "--cert-dir", dir_ / "state", "--http", ""},
         2,
         "--http: it is empty"},
        {{"bench", "network", net, "--threads", "-1"}, 2, "'-1' is not"},
        {{"bench", "network", net, "--inputs", "0"}, 2, "'0' is not"},
        {{"bench", "layers", "--layer", "4x8x8-4-3x3s1", "--runs", "1", "--json", "/dev/full"}, 5, "No space left"},
        {{"bench", "layers", "--layer", "0x8x8-4-3x3s1"}, 2, "the channels must be a number of 1 to 4096"},
        {{"eval", net, "--data", "images:" + (dir_ / "nothing").string()}, 5, "there are no PNG or JPEG pictures"},
        {{"eval", net, "--data", data, "--private", "1", "--trace", ""}, 2, "--trace: it is empty"},
        {{"eval", onnx_, "--data", data}, 5, "not a compiled Flash model"},
        {{"serve", onnx_, "--listen", "127.0.0.1:0", "--cert-dir", dir_ / "state"}, 5, "not a compiled Flash model"},
    });
}

/// The table in README.md has every status, once, in order, and no other.
TEST(Readme, ListsTheStatuses) {
    std::ifstream in(fs::path(FLASH_SOURCE_DIR) / "README.md");
    std::vector<int> listed;
    bool inside = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("| status |")) inside = true;
        if (inside && !line.starts_with("|")) break;
        if (inside && line.size() > 2 && line[2] >= '0' && line[2] <= '9') listed.push_back(std::stoi(line.substr(2)));
    }
    std::vector<int> expected{0};
    for (const ErrorKind kind :
         {ErrorKind::kInvalidArgument, ErrorKind::kUnsupported, ErrorKind::kRange, ErrorKind::kFile,
          ErrorKind::kNetwork, ErrorKind::kTimeout, ErrorKind::kProtocol, ErrorKind::kRemote, ErrorKind::kInternal})
        expected.push_back(exit_code(kind));
    expected.push_back(app::kShortageStatus);
    EXPECT_EQ(listed, expected);
}

}  // namespace
}  // namespace flash
