#include "gradatim/io/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <numeric>

#include "gradatim/io/file.hpp"
#include "io/process.hpp"
#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

// A file of the format: the header's length as claimed, the header, the data.
std::string file_with(std::string_view header, std::string_view data, std::uint64_t claimed) {
  std::string file(8, '\0');
  std::memcpy(file.data(), &claimed, 8);
  file += header;
  file += data;
  return file;
}

std::string file_with(std::string_view header, std::string_view data = {}) {
  return file_with(header, data, header.size());
}

SafetensorsFile parse(std::string_view file) {
  return parse_safetensors(std::as_bytes(std::span(file)), "x");
}

std::string refusal(const std::string& file) {
  return message_of<DataError>([&] { parse(file); });
}

std::string entry(std::string_view name, std::string_view rest) {
  return "\"" + std::string(name) + "\":{" + std::string(rest) + "}";
}

TEST(Safetensors, ReadsAHandWrittenFile) {
  const std::string header =
      R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]},)"
      R"("s":{"data_offsets":[0,4],"shape":[],"dtype":"F32"},)"
      R"("e":{"dtype":"F32","shape":[0,7],"data_offsets":[12,12]}}  )";
  // 1.0f, -2.0f, 0.5f, little-endian
  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f", 12);
  const SafetensorsFile file = parse(file_with(header, data));
  EXPECT_EQ(file.metadata, (Metadata{{"a", "b"}}));
  ASSERT_EQ(file.tensors.size(), 3U);
  EXPECT_EQ(file.tensors[0].name, "s");
  EXPECT_EQ(file.tensors[0].values.shape(), Shape{});
  EXPECT_EQ(file.tensors[0].values.values()[0], 1.0F);
  EXPECT_EQ(file.tensors[1].name, "w");
  EXPECT_EQ(file.tensors[1].values.shape(), (Shape{1, 2}));
  EXPECT_EQ(file.tensors[1].values.values()[0], -2.0F);
  EXPECT_EQ(file.tensors[1].values.values()[1], 0.5F);
  EXPECT_EQ(file.tensors[2].values.shape(), (Shape{0, 7}));
}

struct Sample {
  Tensor weight{{3, 5}};
  Tensor bias{{5}};
  Tensor scalar{Shape{}};
  std::vector<NamedView> views;
  Metadata metadata{{"note", "grüße \"quoted\"\n"}, {"format", "gradatim"}};

  Sample() {
    std::iota(weight.values().begin(), weight.values().end(), -7.0F);
    std::iota(bias.values().begin(), bias.values().end(), 0.25F);
    scalar.values()[0] = 42;
    views = {{"dense1.weight", weight}, {"dense1.bias", bias}, {"scalar", scalar}};
  }
};

TEST(Safetensors, ReadsWhatItWrites) {
  const test::TemporaryFolder folder;
  const Sample sample;
  write_safetensors(folder / "m", sample.metadata, sample.views);
  const SafetensorsFile file = read_safetensors(folder / "m");
  EXPECT_EQ(file.metadata, sample.metadata);
  ASSERT_EQ(file.tensors.size(), 3U);
  EXPECT_EQ(file.tensors[0].name, "dense1.weight");
  EXPECT_EQ(file.tensors[0].values, sample.weight);
  EXPECT_EQ(file.tensors[1].values, sample.bias);
  EXPECT_EQ(file.tensors[2].values, sample.scalar);
}

TEST(Safetensors, StartsItsDataAtAMultipleOfEight) {
  const test::TemporaryFolder folder;
  for (std::size_t length = 1; length <= 9; ++length) {
    const Tensor one({1});
    const std::vector<NamedView> views{{std::string(length, 'n'), one}};
    write_safetensors(folder / "m", {}, views);
    const std::string file = read_file(folder / "m");
    std::uint64_t header = 0;
    std::memcpy(&header, file.data(), 8);
    EXPECT_EQ(header % 8, 0U);
    EXPECT_EQ(file.size(), 8 + header + 4);
    EXPECT_EQ(file[8], '{');
  }
}

TEST(Safetensors, RefusesTheFileCutAtAnyByteOrContinued) {
  const test::TemporaryFolder folder;
  const Sample sample;
  write_safetensors(folder / "m", sample.metadata, sample.views);
  const std::string file = read_file(folder / "m");
  for (std::size_t size = 0; size < file.size(); ++size)
    EXPECT_THROW(parse(std::string_view(file).substr(0, size)), DataError) << size;
  EXPECT_EQ(refusal(file + '\0'),
            "x: not a safetensors file: the tensors need 84 data bytes, the file has 85");
  write_file(folder / "cut", std::string_view(file).substr(0, file.size() - 1));
  EXPECT_CONTAINS(message_of<DataError>([&] { read_safetensors(folder / "cut"); }),
                  (folder / "cut").string() + ": not a safetensors file: ");
}

// Any one byte of the header changed: refused, or read as some well-formed file; never worse.
TEST(Safetensors, SurvivesEveryChangedHeaderByte) {
  const test::TemporaryFolder folder;
  const Sample sample;
  write_safetensors(folder / "m", sample.metadata, sample.views);
  const std::string file = read_file(folder / "m");
  std::size_t refused = 0;
  for (std::size_t i = 0; i < file.size() - 84; ++i) {
    for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128}) {
      std::string changed = file;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      try {
        parse(changed);
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 1000U);
}

TEST(Safetensors, RefusesALyingHeaderLength) {
  EXPECT_CONTAINS(refusal(file_with("{}", "", 3)), "the header claims 3 bytes, the file has 2");
  EXPECT_CONTAINS(refusal(file_with("{}", "", UINT64_MAX)),
                  "the header claims 18446744073709551615");
  EXPECT_CONTAINS(refusal(file_with("{}", "", 1)), "the header is not JSON at its byte 2");
  EXPECT_CONTAINS(refusal(file_with("{}", "", 0)), "the header is not JSON");
  EXPECT_CONTAINS(refusal("1234567"), "the file ends after 7 bytes");
}

struct Hostile {
  std::string header;
  std::string data;
  std::string message;
};

TEST(Safetensors, RefusesHostileHeaders) {
  const std::string deep(1'000'000, '[');
  const std::string deep_objects = [] {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += "{\"a\":";
    return text;
  }();
  const std::string rest = R"("dtype":"F32","shape":[1],"data_offsets":[0,4])";
  const std::string four(4, '\0');
  const auto shaped = [](std::string_view shape, std::string_view offsets) {
    return "{" +
           entry("t", R"("dtype":"F32","shape":)" + std::string(shape) + R"(,"data_offsets":)" +
                          std::string(offsets)) +
           "}";
  };
  const std::vector<Hostile> cases{
      {deep, "", "the header must be an object"},
      {deep_objects, "", "tensor 'a': unknown member 'a'"},
      {"{" + entry("t", R"("shape":)" + deep), "", "unexpected an array"},
      {"[1]", "", "the header must be an object"},
      {"3", "", "the header must be an object"},
      {"", "", "the header is not JSON"},
      {"{} x", "", "the header is not JSON at its byte 4"},
      {R"({"t":1})", "", "'t': unexpected the number 1"},
      {R"({"t":"x"})", "", "'t': unexpected a string"},
      {R"({"t":null})", "", "'t': unexpected null"},
      {R"({"t":[]})", "", "'t': unexpected an array"},
      {R"({"__metadata__":{"a":1}})", "", "'a': unexpected the number 1"},
      {R"({"__metadata__":{"a":{}}})", "", "'a': unexpected an object"},
      {R"({"__metadata__":{"a":"b","a":"c"}})", "", "metadata 'a': given twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", "", "'__metadata__': given twice"},
      {"{" + entry("t", rest) + "," + entry("t", rest) + "}", four, "'t': given twice"},
      {"{" + entry("t", R"("shape":[1],"data_offsets":[0,4])") + "}", four, "expected dtype"},
      {"{" + entry("t", rest + R"(,"dtype":"F32")") + "}", four, "given twice: 'dtype'"},
      {"{" + entry("t", rest + R"(,"extra":1)") + "}", four, "unknown member 'extra'"},
      {"{" + entry("t", R"("dtype":"F16","shape":[2],"data_offsets":[0,4])") + "}", four,
       "expected dtype F32, got 'F16'"},
      {"{" + entry("t", R"("dtype":7)") + "}", "", "'dtype': unexpected the number 7"},
      {shaped("[-1]", "[0,4]"), four, "unexpected the number -1"},
      {shaped("[1.5]", "[0,4]"), four, "unexpected the number '1.5'"},
      {shaped("[1e0]", "[0,4]"), four, "unexpected the number '1e0'"},
      {shaped("[99999999999999999999999]", "[0,4]"), four, "unexpected the number '9999"},
      {shaped("[true]", "[0,4]"), four, "unexpected a boolean"},
      {shaped("[[1]]", "[0,4]"), four, "unexpected an array"},
      {shaped("[{}]", "[0,4]"), four, "unexpected an object"},
      {shaped("[\"1\"]", "[0,4]"), four, "unexpected a string"},
      {shaped("{}", "[0,4]"), four, "unexpected an object"},
      {shaped("[4611686018427387904,4]", "[0,0]"), "", "overflows"},
      {shaped("[4611686018427387905]", "[0,4]"), four, "does not fit its 4 bytes"},
      {shaped("[1,1,1,1,1,1,1]", "[0,4]"), four, "at most 6 extents"},
      {shaped("[1]", "[0,3]"), "abc", "does not fit its 3 bytes"},
      {shaped("[2]", "[0,4]"), four, "shape (2) does not fit its 4 bytes"},
      {shaped("[1]", "[4,0]"), four, "data_offsets [4, 0] are not a range of the 4 data bytes"},
      {shaped("[1]", "[0]"), four, "data_offsets [0] are not"},
      {shaped("[1]", "[0,4,4]"), four, "data_offsets [0, 4, 4] are not"},
      {shaped("[1]", "[4,8]"), four, "data_offsets [4, 8] are not"},
      {shaped("[1]", "[18446744073709551612,0]"), four, "are not a range"},
      {shaped("[1]", "[4,8]"), four + four, "start at 4, expected 0 (a gap)"},
      {shaped("[1]", "[0,4]"), four + four, "the tensors need 4 data bytes, the file has 8"},
      {"{" + entry("t", rest) + "," + entry("u", rest) + "}", four, "(an overlap)"},
      {"{\"\xff\xfe\":{}}", "", "the header is not JSON"},
      {"{" + entry("a\\u0007\\nb", R"("dtype":"F16")") + "}", "", "'a??b'"},
  };
  for (const Hostile& hostile : cases)
    EXPECT_CONTAINS(refusal(file_with(hostile.header, hostile.data)), hostile.message);
}

TEST(Safetensors, RefusesToWriteWhatItWouldNotRead) {
  const test::TemporaryFolder folder;
  const Tensor one({1});
  const std::vector<NamedView> twice{{"a", one}, {"a", one}};
  const std::vector<NamedView> reserved{{"__metadata__", one}};
  const std::vector<NamedView> bytes{{"\xff", one}};
  EXPECT_THROW(write_safetensors(folder / "m", {}, twice), InvalidArgument);
  EXPECT_THROW(write_safetensors(folder / "m", {}, reserved), InvalidArgument);
  EXPECT_THROW(write_safetensors(folder / "m", {}, bytes), InvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(folder / "m"));
}

TEST(Safetensors, KeepsTheOldFileOnAFullDisk) {
  const test::TemporaryFolder folder;
  const Sample sample;
  write_safetensors(folder / "m", {}, sample.views);
  const Tensor large({100'000});
  const std::vector<NamedView> views{{"large", large}};
  {
    const test::FullDisk full(100'000);
    EXPECT_THROW(write_safetensors(folder / "m", {}, views), DataError);
  }
  EXPECT_EQ(read_safetensors(folder / "m").tensors.size(), 3U);
}

TEST(Safetensors, AgreesWithTheReferenceImplementation) {
  const test::TemporaryFolder folder;
  const Sample sample;
  write_safetensors(folder / "ours", sample.metadata, sample.views);
  const std::vector<std::string> command{"python3", SAFETENSORS_CHECK, folder / "ours",
                                         folder / "theirs"};
  const auto result = detail::run_process(command, "");
  if (result.exit_code == 77 || result.exit_code == 127)
    GTEST_SKIP() << "no python3 with safetensors and numpy: " << result.output;
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_CONTAINS(result.output, "dense1.weight float32 (3, 5) 0.0\n");
  EXPECT_CONTAINS(result.output, "scalar float32 () 42.0\n");
  const SafetensorsFile theirs = read_safetensors(folder / "theirs");
  EXPECT_EQ(theirs.metadata, sample.metadata);
  EXPECT_EQ(theirs.tensors.size(), 3U);
  for (const NamedTensor& tensor : theirs.tensors)
    for (const NamedView& view : sample.views)
      if (view.name == tensor.name) {
        EXPECT_EQ(tensor.values.shape(), view.values.shape());
        EXPECT_TRUE(std::equal(tensor.values.values().begin(), tensor.values.values().end(),
                               view.values.values().begin()));
      }
}

}  // namespace
}  // namespace gradatim
