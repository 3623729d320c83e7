#include "data/loopback_server.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace gradatim {
namespace {

constexpr int kTickMilliseconds = 20;

bool readable(int socket) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, kTickMilliseconds) > 0;
}

void send_all(int connection, const void* bytes, std::size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t sent = send(connection, at, size, MSG_NOSIGNAL);
    if (sent <= 0) return;
    at += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

void send_text(int connection, const std::string& text) {
  send_all(connection, text.data(), text.size());
}

std::string receive_head(int connection) {
  std::string head;
  std::array<char, 4096> block{};
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t got = recv(connection, block.data(), block.size(), 0);
    if (got <= 0) break;
    head.append(block.data(), static_cast<std::size_t>(got));
  }
  return head;
}

std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t start = text.find(before);
  if (start == std::string::npos) return "";
  const std::size_t first = start + before.size();
  return text.substr(first, text.find(after, first) - first);
}

}  // namespace

LoopbackServer::LoopbackServer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, size) != 0 || listen(listener_, 16) != 0 ||
      getsockname(listener_, generic, &size) != 0)
    throw std::runtime_error("the test's server cannot listen on 127.0.0.1");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

LoopbackServer::~LoopbackServer() {
  stopping_ = true;
  thread_.join();
  close(listener_);
}

std::string LoopbackServer::url(const std::string& folder) const {
  return fmt::format("http://127.0.0.1:{}/{}", port_, folder);
}

void LoopbackServer::put(const std::string& path, const Resource& resource) {
  const std::lock_guard lock(mutex_);
  resources_[path] = resource;
}

std::vector<std::string> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LoopbackServer::run() {
  while (!stopping_) {
    if (!readable(listener_)) continue;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    serve(connection);
    close(connection);
  }
}

void LoopbackServer::serve(int connection) {
  const std::string head = receive_head(connection);
  const std::string path = between(head, "GET /", " ");
  const std::string range = between(head, "Range: bytes=", "-\r\n");
  Resource resource;
  bool found = false;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(range.empty() ? path : fmt::format("{} from {}", path, range));
    const auto at = resources_.find(path);
    found = at != resources_.end();
    if (found) resource = at->second;
  }
  if (!found)
    send_text(connection, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nlost");
  else
    answer(connection, resource, range.empty() || !resource.ranges ? 0 : std::stoul(range));
}

void LoopbackServer::answer(int connection, const Resource& resource, std::size_t first) {
  const std::size_t size = resource.body.size();
  if (first > 0 && first >= size) {
    send_text(connection,
              fmt::format("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{}\r\n"
                          "Content-Length: 0\r\n\r\n",
                          size));
    return;
  }
  const std::string status =
      first == 0 ? "200 OK"
                 : fmt::format("206 Partial Content\r\nContent-Range: bytes {}-{}/{}", first,
                               size - 1, size);
  send_text(connection,
            fmt::format("HTTP/1.1 {}\r\nContent-Length: {}\r\n\r\n", status, size - first));
  send_all(connection, resource.body.data() + first, std::min(size - first, resource.send_at_most));
  if (resource.stall) hold(connection);
}

// Until the client hangs up.
void LoopbackServer::hold(int connection) const {
  while (!stopping_)
    if (char byte = 0; readable(connection) && recv(connection, &byte, 1, 0) <= 0) return;
}

}  // namespace gradatim
