#include "download.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>
#include <system_error>

#include "core/open_file.hpp"
#include "gradatim/core/error.hpp"

namespace gradatim::detail {
namespace {

struct CloseCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
};
using Clock = std::chrono::steady_clock;
using Curl = std::unique_ptr<CURL, CloseCurl>;

// What the callbacks of one transfer share. No exception may cross libcurl.
struct Transfer {
  const Download& request;
  OpenFile part;
  std::uint64_t resumed_from = 0;
  std::uint64_t written = 0;  // resumed_from included
  Clock::time_point last_byte = Clock::now();
  bool too_long = false;
  bool stalled = false;
  std::error_code local_error{};
  std::exception_ptr thrown{};
};

[[noreturn]] void fail_locally(const Download& request, std::error_code error) {
  throw DataError(fmt::format("cannot write '{}': {}", request.part.string(), error.message()));
}

std::error_code last_error() { return {errno, std::generic_category()}; }

std::size_t on_bytes(char* bytes, std::size_t, std::size_t count, void* context) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (transfer.written + count > transfer.request.most_bytes) {
    transfer.too_long = true;
    return 0;
  }
  if (std::fwrite(bytes, 1, count, transfer.part.get()) != count) {
    transfer.local_error = last_error();
    return 0;
  }
  transfer.written += count;
  transfer.last_byte = Clock::now();
  return count;
}

// At least once a second, also while nothing comes. (CURLOPT_LOW_SPEED_TIME would average over
// five.)
int on_transfer(void* context, curl_off_t total, curl_off_t received, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(context);
  if (Clock::now() - transfer.last_byte > transfer.request.stall_timeout) {
    transfer.stalled = true;
    return 1;
  }
  if (!transfer.request.on_progress) return 0;
  try {
    const std::uint64_t before = transfer.resumed_from;
    transfer.request.on_progress(
        before + static_cast<std::uint64_t>(received),
        total > 0 ? before + static_cast<std::uint64_t>(total) : std::uint64_t{0});
    return 0;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 1;
  }
}

Transfer open_part(const Download& request, const char* mode) {
  Transfer transfer{.request = request, .part = OpenFile(std::fopen(request.part.c_str(), mode))};
  std::error_code error;
  if (!transfer.part) fail_locally(request, last_error());
  transfer.resumed_from = std::filesystem::file_size(request.part, error);
  if (error) fail_locally(request, error);
  transfer.written = transfer.resumed_from;
  return transfer;
}

Curl configure(Transfer& transfer, char* reason) {
  static const CURLcode kGlobal = curl_global_init(CURL_GLOBAL_DEFAULT);
  Curl curl(kGlobal == CURLE_OK ? curl_easy_init() : nullptr);
  if (!curl) throw std::bad_alloc();
  const Download& request = transfer.request;
  const auto set = [&](CURLoption option, auto value) {
    curl_easy_setopt(curl.get(), option, value);
  };
  set(CURLOPT_URL, request.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, request.url.starts_with("https:") ? "https" : "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, 5L);
  set(CURLOPT_FAILONERROR, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_USERAGENT, "gradatim");
  set(CURLOPT_ERRORBUFFER, reason);
  set(CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.connect_timeout.count()));
  set(CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(transfer.resumed_from));
  set(CURLOPT_WRITEFUNCTION, &on_bytes);
  set(CURLOPT_WRITEDATA, &transfer);
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &on_transfer);
  set(CURLOPT_XFERINFODATA, &transfer);
  return curl;
}

// On disk, not only in the page cache: the rename that follows must not overtake the bytes.
void flush(Transfer& transfer) {
  if (std::fflush(transfer.part.get()) != 0 || fsync(fileno(transfer.part.get())) != 0)
    fail_locally(transfer.request, last_error());
}

// The part is as long as the file, or longer: whether it is the file, its hash will tell.
bool nothing_left(CURL* curl, CURLcode code, const Transfer& transfer) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return code == CURLE_HTTP_RETURNED_ERROR && status == 416 && transfer.resumed_from > 0;
}

CURLcode transfer_once(const Download& request, const char* mode, std::string& failure) {
  Transfer transfer = open_part(request, mode);
  std::array<char, CURL_ERROR_SIZE> reason{};
  const Curl curl = configure(transfer, reason.data());
  const CURLcode code = curl_easy_perform(curl.get());
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (transfer.local_error) fail_locally(request, transfer.local_error);
  flush(transfer);
  if (code == CURLE_OK || nothing_left(curl.get(), code, transfer))
    failure.clear();
  else if (transfer.too_long)
    failure = fmt::format("sent more than {} bytes", request.most_bytes);
  else if (transfer.stalled)
    failure = fmt::format("stalled after {} bytes: none came for {} s", transfer.written,
                          request.stall_timeout.count());
  else
    failure = reason[0] != '\0' ? reason.data() : curl_easy_strerror(code);
  return code;
}

}  // namespace

std::string download(const Download& request) {
  std::string failure;
  // A server may not know ranges: then everything is asked for.
  if (transfer_once(request, "ab", failure) == CURLE_RANGE_ERROR)
    transfer_once(request, "wb", failure);
  return failure;
}

}  // namespace gradatim::detail
