#include "base/table.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace flash {
namespace {

TEST(Table, AlignsColumnsAndTrimsTheLineEnds) {
    Table table({{"layer"}, {"bytes", Align::kRight}, {"note"}});
    table.add_row({"conv1", "1,024"});
    table.add_row({"fc", "7", "last"});
    table.add_rule();
    table.add_row({"total", "1,031"});
    EXPECT_EQ(table.str(),
              "layer  bytes  note\n"
              "-----  -----  ----\n"
              "conv1  1,024\n"
              "fc         7  last\n"
              "-----  -----  ----\n"
              "total  1,031\n");
}

TEST(Table, CountsCodePointsNotBytes) {
    EXPECT_EQ(display_width("abc"), 3u);
    EXPECT_EQ(display_width("caf\xc3\xa9"), 4u);
    EXPECT_EQ(display_width("e\xcc\x81"), 1u);
    EXPECT_EQ(display_width("\xe7\x8c\xab"), 2u);
    Table table({{"n"}, {"x"}});
    table.add_row({"caf\xc3\xa9", "1"});
    table.add_row({"cats", "2"});
    EXPECT_EQ(table.str(), "n     x\n----  -\ncaf\xc3\xa9  1\ncats  2\n");
}

TEST(Table, KnowsUtf8) {
    for (const char* good : {"", "a", "\xc3\xa4", "\xf0\x9f\x90\x88", "\x01"}) EXPECT_TRUE(is_utf8(good)) << good;
    for (const char* bad : {"\xff", "\xc3", "a\xe4", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80"})
        EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(Table, RemovesWhatWouldSteerTheTerminal) {
    EXPECT_EQ(printable("a\033[31mb\n\x7f"), "a?[31mb??");
    EXPECT_EQ(printable("\xc2\x9b"
                        "31m"),
              "?31m");                                      // C1 control sequence introducer
    EXPECT_EQ(printable("x\xe2\x80\xaey"), "x?y");          // right-to-left override
    EXPECT_EQ(printable("\xff\xc3"), "??");                 // not UTF-8
    EXPECT_EQ(printable("\xc0\xaf\xed\xa0\x80"), "?????");  // overlong form, surrogate
    EXPECT_EQ(printable("caf\xc3\xa9 \xe7\x8c\xab"), "caf\xc3\xa9 \xe7\x8c\xab");
}

TEST(Table, RefusesTooManyCells) {
    Table table({{"a"}});
    EXPECT_THROW(table.add_row({"1", "2"}), Error);
}

TEST(Table, FormatsNumbers) {
    EXPECT_EQ(with_separators(0), "0");
    EXPECT_EQ(with_separators(999), "999");
    EXPECT_EQ(with_separators(1000), "1,000");
    EXPECT_EQ(with_separators(-1234567), "-1,234,567");
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(512), "512 B");
    EXPECT_EQ(human_bytes(1280), "1.25 KiB");
    EXPECT_EQ(human_bytes(1023), "1.00 KiB");
    EXPECT_EQ(human_bytes(34.5 * 1024 * 1024), "34.5 MiB");
    EXPECT_EQ(human_bytes(345.6 * 1024 * 1024 * 1024), "346 GiB");
}

}  // namespace
}  // namespace flash
