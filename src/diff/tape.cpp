#include "gradatim/diff/tape.hpp"

#include "gradatim/core/error.hpp"

namespace gradatim::detail {

void throw_no_recording() {
  throw InvalidArgument(
      "tape: a Variable was used outside a Recording on this thread: expected it to live no longer "
      "than the call it was made for");
}

void throw_incomplete_tape() {
  throw InvalidArgument(
      "tape: the function has more operations than the tape had room for; record it again, as "
      "gradatim::record does");
}

void throw_tape_full() { throw InvalidArgument("tape: more than 2^32 - 1 operations recorded"); }

}  // namespace gradatim::detail
