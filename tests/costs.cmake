# For ctest, after it knows all tests: the longest, in about the order of the time they take.
set(cost 100)
foreach(name IN ITEMS
    CrashTest.NothingAcknowledgedIsLostOrTornOverManyKills
    IndexModelTest.WhatAnIndexShowsIsWhatASearchFinds
    LifecycleTest.AFullDiskRefusesWritesGoesOnReadingAndIsFreedByTheBallast
    SqlModelTest.AStatementAnswersWhatASearchOfTheRecordsFinds
    TableModelTest.ATableDoesWhatTheModelDoes
    WebSocketTest.AClientThatReadsGetsAllItAskedForHoweverMuchThatIs
    WebSocketTest.FarMoreAnswersThanMayWaitEndTheConnectionAtOnce
    WebSocketTest.AClientThatDoesNotReadIsClosed
    TakeTest.ACallPassesOverSoManyDeletedRecordsAndTheNextGoesOn
    FullMapTest.NothingRestsOnATableWhoseCreateFailed
    SqlAffinityTest.JoinsFindWhatSQLiteFinds)
  set_tests_properties(${name} PROPERTIES COST ${cost})
  math(EXPR cost "${cost} - 5")
endforeach()
