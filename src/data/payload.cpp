#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "byte_stream.hpp"
#include "gradatim/core/error.hpp"
#include "gradatim/data/fetch.hpp"

namespace gradatim {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
      throw std::bad_alloc();
  }
  void update(std::span<const std::uint8_t> bytes) {
    EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size());
  }
  std::string hexadecimal() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return fmt::format("{:02x}", fmt::join(digest, ""));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string payload_sha256(const std::filesystem::path& file, std::uint64_t most_bytes) {
  detail::ByteStream stream(file);
  Sha256 sha256;
  std::vector<std::uint8_t> block(kBlock);
  std::uint64_t total = 0;
  for (std::size_t got = kBlock; got == kBlock;) {
    got = stream.read(block);
    total += got;
    if (total > most_bytes)
      throw DataError(fmt::format("'{}': the payload is over-long: expected {} bytes",
                                  file.string(), most_bytes));
    sha256.update(std::span(block).first(got));
  }
  return sha256.hexadecimal();
}

}  // namespace gradatim
