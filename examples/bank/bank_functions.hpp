// The bank's functions: accounts in the table `accounts` of a session, and what moves money between
// them. Nothing but bank.open changes the sum of all balances.
//
//   bank.open(id, amount)                     -> true
//   bank.transfer(from, to, amount, number?)  -> {"from", "to": balances after, "number",
//   "repeated"} bank.balance(id)                          -> integer bank.total() -> integer
//
// An account is {"balance", "sent", "received"}, integers: its money, and how many transfers have
// left and reached it. A transfer is two reads and two writes.
//
// `number` makes a transfer safe to repeat: the nth that is paid from an account has number n. One
// that was made before changes nothing and says so (`repeated`); one that comes before its turn is
// refused. So whoever pays from an account alone, and whose connection breaks, sends again what was
// not answered, in its order. Of a repeated one only the number is looked at.

#pragma once

#include <cstdint>

#include "actors/backend.hpp"

namespace bank {

inline constexpr const char* kTable = "accounts";

// Of `table.create`, in each session that is to have accounts.
kontract::Json table_arguments();

// Errors of the functions, beside those of the table (storage_ptr_not_found if it was not created):
// not_found for an account that is not there; invalid_request for an amount that is not positive
// (negative, of bank.open), for a transfer from an account to itself, and for one that is there
// already, of bank.open; schema_violation, KONTRACT_SCHEMA_VIOLATION of status 422, if there is too
// little money in `from`, or `to` would have more than 2^53 - 1; txn_conflict if a transfer with a
// smaller number was not made yet. What fails changes nothing.
kontract::Backend backend();

}  // namespace bank
