// Package harness is the engine: it runs steps on a learner's submission in a
// cluster and says what holds. It knows no lab by name.
//
// # Steps and checks
//
// A Step is an ordered list of Checks that share what its Setup made. A Check
// is one sentence; its function gets a context and a check.Env, and returns
// nil where the sentence holds, a *check.Failure where it does not, and any
// other error where we could not tell. A check names those that it Needs; if
// one of them did not pass it is skipped, and the others run, so that one
// mistake costs its own points only.
//
// # Outcomes
//
// Pass, Fail (the learner's), Error (ours) and Skipped stay apart all the way
// to every report. Of a step and of a run the worst counts, Error first: what
// could not be checked is not judged.
//
// # A run
//
//	session, err := harness.Open(ctx, setting) // connects, follows the audit log, feels the pulse
//	results := session.Runner(observer).Run(ctx, steps.All())
//
// For each step the Runner makes sure of a known state (check.StartsClean),
// sets up, runs the checks, and takes away what the step made, also when ctx
// is over. While a check runs, a Pulse asks the API server for signs of life.
// A failure found while it gave none is withheld, and once it is given up
// nothing waits for it any longer.
//
// # Evidence
//
// What a program prints proves nothing. Proof is what the API server saw: its
// audit events between two marks, the authorizer's answers, and objects' state.
// Checks keep what they saw (Env.Saw), and it stands beside their outcome.
package harness
