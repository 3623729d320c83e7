#include "gradatim/io/sha256.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "gradatim/core/error.hpp"

namespace gradatim {

std::string sha256_hex(std::span<const std::byte> bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    throw Error("sha256: OpenSSL could not compute the digest");
  std::string text;
  for (unsigned i = 0; i < size; ++i) fmt::format_to(std::back_inserter(text), "{:02x}", digest[i]);
  return text;
}

}  // namespace gradatim
