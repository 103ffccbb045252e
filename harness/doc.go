// Package harness is the engine: it runs the labs of a course on a learner's
// submission, in a cluster, and says which checks hold. It knows no lab; all
// that it knows of what is taught is in the Course that it is given.
//
// # Course, Lab, Check
//
// A Course is an ordered list of Labs, with the Scene that they find in a
// cluster and the texts, starters and solutions that belong to them. It may be
// divided into Parts that are taken and graded apart, the first where none is
// named, and may have a Story: a lab over the labs of that first part, which comes
// after them and before any others. Course.Validate returns what is wrong with a
// course, Course.Select the labs that a user names, in the order of Course.Way.
//
// A Lab is an ordered list of Checks that share what its Setup kept. It says
// which files it asks for and which kinds of object it leaves in a cluster
// while it runs, so that every one of them can be deleted.
//
// A Check is one sentence that holds or does not. Its function is given a
// context and a check.Env: the cluster, the submission, and the vocabulary of
// package check. A check names the checks that it Needs and may use what they
// kept; if one of them did not pass, it is skipped. The others run, so a
// mistake costs no points but its own.
//
// A Course may have hints for each check (Course.Hints): the idea and a similar
// case, around what the check's own failure advises. Package learn gives them to
// a learner, one for each attempt.
//
// # Run
//
// Run runs labs on one submission, a directory, in one cluster.Cluster:
//
//	labs, err := course.Select("")
//	result, err := harness.Run(ctx, course, labs, cluster, "work", harness.Options{Home: home})
//
// It opens a Session, has it run the labs once, and closes it. Open waits until
// no other run uses the cluster, brings it up and connects to it. For each lab,
// Session.Run deletes what a run left that was killed, lets Course.Before look at
// the cluster, sets up, runs the checks from top to bottom, and deletes what the
// lab created, also when ctx is over. Every front of rolecall, commands, grading
// and Go tests, goes this way; an Observer hears of it as it goes on. A watcher
// keeps its Session from one check of a lab to the next; while it rests, others
// may use the cluster.
//
// An error of Run means that nothing was judged; it is ErrInterrupted where ctx
// ended.
//
// # What a lab leaves
//
// Objects that a run creates carry check.RunLabel, and a lab says of which kinds
// they are: Lab.Objects those that a learner's manifest may hold, Lab.Makes those
// that its own code makes. All kinds of the course are looked through after each
// lab, and before the first one of a run, so that one that was killed is no
// trouble to the next. Programs that go on are ended, and the API server knows its
// users as before, where a lab had it know others.
//
// # Outcomes
//
// A check has one of four outcomes, which stay apart all the way to every
// report:
//
//   - Pass: its function returned nil.
//   - Fail: it returned a *check.Failure, which is the learner's and costs points.
//   - Error: it returned any other error, or panicked. That is ours, or the
//     cluster's, and says nothing about the learner's work.
//   - Skipped: a check that it needs did not pass.
//
// A lab's outcome and a Result's are the worst of their checks', Error first:
// what could not be checked is not judged.
//
// While checks run, a Monitor polls the API server. A failure that was found
// while the server did not respond is reported as an Error, and once the
// Monitor gives the cluster up nothing waits for it any longer.
//
// # Evidence
//
// What a program prints proves nothing by itself. Proof is what the API server
// saw: the audit events of the requests that were answered while the program
// ran, the authorizer's answers, and the state of objects. Checks keep what
// they saw with check.Env.Saw, and the Result shows it beside their outcome. A
// Recorder keeps the audit log itself and whatever else a verdict rests on.
package harness
