// Package clustertest tries clusters of real nodes at 80 ms from each other: every row of
// the requirements about clusters, and each procedure of the operator's guide by its name.
//
// It exists apart from endtoend because a cluster takes seconds to form, and its tests share
// few of them: each test function is one cluster, its parts go on from where the one before
// left off.
package clustertest
