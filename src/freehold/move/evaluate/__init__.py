"""How good an answer is: graders, a judge, suites of both, and people's own verdicts. Gives the scores that the gate reads."""
