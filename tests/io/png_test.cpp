#include "gradatim/io/png.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include <cstdio>
#include <numeric>
#include <stdexcept>

#include "gradatim/io/file.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace gradatim {
namespace {

using test::message_of;

struct Encoding {
  int color_type;
  int bit_depth;
  int interlace = PNG_INTERLACE_NONE;
};

// Writes rows as they are packed in the file.
void write_png(const std::filesystem::path& path, std::size_t width, Encoding encoding,
               std::vector<std::vector<std::uint8_t>> rows) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  png_struct* png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_info* info = png_create_info_struct(png);
  if (file == nullptr || setjmp(png_jmpbuf(png)) != 0) throw std::runtime_error("write_png");
  png_init_io(png, file);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(rows.size()),
               encoding.bit_depth, encoding.color_type, encoding.interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (encoding.color_type == PNG_COLOR_TYPE_PALETTE) {
    const png_color palette[] = {{0, 0, 0}, {255, 255, 255}, {255, 0, 0}, {128, 128, 128}};
    png_set_PLTE(png, info, palette, 4);
  }
  png_write_info(png, info);
  std::vector<png_byte*> pointers;
  pointers.reserve(rows.size());
  for (auto& row : rows) pointers.push_back(row.data());
  png_write_image(png, pointers.data());
  png_write_end(png, nullptr);
  png_destroy_write_struct(&png, &info);
  std::fclose(file);
}

std::vector<int> pixels_of(const ByteTensor& image) {
  return {image.values().begin(), image.values().end()};
}

std::vector<int> read_after_writing(std::size_t width, Encoding encoding,
                                    std::vector<std::vector<std::uint8_t>> rows) {
  const test::TemporaryFolder folder;
  write_png(folder / "a.png", width, encoding, std::move(rows));
  return pixels_of(read_png_gray(folder / "a.png"));
}

TEST(ReadPngGray, EveryColourTypeAndBitDepth) {
  EXPECT_EQ(read_after_writing(3, {PNG_COLOR_TYPE_GRAY, 8}, {{0, 17, 255}, {1, 2, 3}}),
            (std::vector{0, 17, 255, 1, 2, 3}));
  EXPECT_EQ(read_after_writing(5, {PNG_COLOR_TYPE_GRAY, 1}, {{0b10110000}}),
            (std::vector{255, 0, 255, 255, 0}));
  EXPECT_EQ(read_after_writing(4, {PNG_COLOR_TYPE_GRAY, 2}, {{0b00011011}}),
            (std::vector{0, 85, 170, 255}));
  EXPECT_EQ(read_after_writing(2, {PNG_COLOR_TYPE_GRAY, 4}, {{0x3F}}), (std::vector{51, 255}));
  EXPECT_EQ(read_after_writing(2, {PNG_COLOR_TYPE_GRAY, 16}, {{0xFF, 0xFF, 0x80, 0x80}}),
            (std::vector{255, 128}));
  EXPECT_EQ(read_after_writing(2, {PNG_COLOR_TYPE_RGB, 8}, {{9, 9, 9, 200, 200, 200}}),
            (std::vector{9, 200}));
  EXPECT_EQ(read_after_writing(1, {PNG_COLOR_TYPE_RGB, 16}, {{255, 255, 255, 255, 255, 255}}),
            (std::vector{255}));
  EXPECT_EQ(read_after_writing(4, {PNG_COLOR_TYPE_PALETTE, 2}, {{0b00011100}})[0], 0);
  EXPECT_EQ(read_after_writing(4, {PNG_COLOR_TYPE_PALETTE, 2}, {{0b00011100}})[1], 255);
  EXPECT_EQ(read_after_writing(4, {PNG_COLOR_TYPE_PALETTE, 2}, {{0b00011100}})[2], 128);
  EXPECT_EQ(read_after_writing(2, {PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_ADAM7}, {{5, 6}, {7, 8}}),
            (std::vector{5, 6, 7, 8}));
}

TEST(ReadPngGray, TransparencyShowsWhite) {
  EXPECT_EQ(read_after_writing(3, {PNG_COLOR_TYPE_GRAY_ALPHA, 8}, {{0, 0, 0, 255, 77, 255}}),
            (std::vector{255, 0, 77}));
  EXPECT_EQ(read_after_writing(2, {PNG_COLOR_TYPE_RGB_ALPHA, 8}, {{1, 2, 3, 0, 50, 50, 50, 255}}),
            (std::vector{255, 50}));
}

TEST(ReadPngGray, GreenIsBrighterThanBlue) {
  const auto pixels =
      read_after_writing(3, {PNG_COLOR_TYPE_RGB, 8}, {{255, 0, 0, 0, 255, 0, 0, 0, 255}});
  EXPECT_GT(pixels[1], pixels[0]);
  EXPECT_GT(pixels[0], pixels[2]);
}

TEST(ReadPngGray, NamesTheFileAndSurvivesEveryCut) {
  const test::TemporaryFolder folder;
  const auto path = folder / "a.png";
  std::vector<std::vector<std::uint8_t>> rows(28, std::vector<std::uint8_t>(28));
  for (std::size_t i = 0; i < 28; ++i) std::iota(rows[i].begin(), rows[i].end(), 9 * i);
  write_png(path, 28, {PNG_COLOR_TYPE_GRAY, 8}, rows);
  const std::string whole = read_file(path);
  const auto pixels = pixels_of(read_png_gray(path));
  std::size_t refused = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(path, std::string_view(whole).substr(0, size));
    try {
      // Only the end marker may be missing: then every pixel is there.
      EXPECT_EQ(pixels_of(read_png_gray(path)), pixels) << size;
      EXPECT_GT(size + 20, whole.size());
    } catch (const DataError& error) {
      EXPECT_CONTAINS(error.what(), path.string());
      ++refused;
    }
  }
  EXPECT_GT(refused, whole.size() - 20);
}

TEST(ReadPngGray, SurvivesEveryChangedByte) {
  const test::TemporaryFolder folder;
  const auto path = folder / "a.png";
  write_png(path, 9, {PNG_COLOR_TYPE_RGB_ALPHA, 8}, {36, std::vector<std::uint8_t>(36, 99)});
  const std::string whole = read_file(path);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    write_file(path, changed);
    try {
      read_png_gray(path);
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, whole.size() / 2);
}

TEST(ReadPngGray, RefusesWhatIsNoImage) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(message_of<DataError>([&] { read_png_gray(folder / "none.png"); }),
            "read " + (folder / "none.png").string() + ": No such file or directory");
  write_file(folder / "text.png", "this is not a picture, it is a text of some length");
  EXPECT_CONTAINS(message_of<DataError>([&] { read_png_gray(folder / "text.png"); }),
                  "not a readable PNG image");
  EXPECT_THROW(read_png_gray(folder.path()), DataError);
}

TEST(ReadPngGray, RefusesAHugeImageBeforeTakingMemory) {
  const test::TemporaryFolder folder;
  const auto path = folder / "a.png";
  // The header of an image of 500,000 x 500,000 with its checksum, and no data.
  std::string header("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x07\xa1\x20\0\x07\xa1\x20\x08\0\0\0\0", 29);
  const auto crc = static_cast<std::uint32_t>([&] {
    std::uint32_t c = 0xFFFFFFFFU;
    for (const char byte : header.substr(12)) {
      c ^= static_cast<std::uint8_t>(byte);
      for (int k = 0; k < 8; ++k) c = (c & 1U) != 0 ? 0xEDB88320U ^ (c >> 1U) : c >> 1U;
    }
    return ~c;
  }());
  for (int shift = 24; shift >= 0; shift -= 8) header += static_cast<char>(crc >> shift);
  write_file(path, header + std::string("\0\0\0\0IDAT\x35\xaf\x06\x1e", 12));
  EXPECT_CONTAINS(message_of<DataError>([&] { read_png_gray(path); }),
                  "expected at most 67108864 pixels, got 500000 x 500000");
}

ByteTensor image_of(std::size_t height, std::size_t width, std::vector<std::uint8_t> values) {
  ByteTensor image({height, width});
  std::copy(values.begin(), values.end(), image.values().begin());
  return image;
}

TEST(ResizeArea, MeansOfTheCoveredArea) {
  const ByteTensor image = image_of(2, 4, {0, 100, 10, 20, 200, 100, 30, 40});
  EXPECT_EQ(resize_area(image, 2, 4), image);
  EXPECT_EQ(pixels_of(resize_area(image, 1, 2)), (std::vector{100, 25}));
  EXPECT_EQ(pixels_of(resize_area(image_of(1, 3, {0, 90, 30}), 1, 2)), (std::vector{30, 50}));
  EXPECT_EQ(pixels_of(resize_area(image_of(1, 2, {10, 20}), 2, 4)),
            (std::vector{10, 10, 20, 20, 10, 10, 20, 20}));
}

TEST(ResizeArea, KeepsTheMeanAndFlatImagesForManySizes) {
  for (const std::size_t from : {1U, 2U, 3U, 7U, 28U, 101U})
    for (const std::size_t to : {1U, 2U, 5U, 28U, 64U}) {
      ByteTensor flat({from, from + 1});
      std::fill(flat.values().begin(), flat.values().end(), std::uint8_t{77});
      const ByteTensor resized = resize_area(flat, to, to + 3);
      EXPECT_EQ(resized.shape(), (Shape{to, to + 3}));
      for (const int pixel : resized.values()) EXPECT_EQ(pixel, 77);
    }
  ByteTensor stroke({280, 280});  // one column of 255 in each block of ten
  for (std::size_t i = 0; i < 280; ++i)
    for (std::size_t j = 3; j < 280; j += 10) stroke.view()(i, j) = 255;
  const ByteTensor faded = resize_area(stroke, 28, 28);
  for (const int pixel : faded.values()) EXPECT_EQ(pixel, 26);
}

TEST(ResizeArea, RefusesEmptyImagesAndSizes) {
  EXPECT_THROW(resize_area(ByteTensor({2, 2}), 0, 2), ShapeError);
  EXPECT_THROW(resize_area(ByteTensor({0, 2}), 2, 2), ShapeError);
  EXPECT_THROW(resize_area(ByteTensor({4}), 2, 2), ShapeError);
}

}  // namespace
}  // namespace gradatim
