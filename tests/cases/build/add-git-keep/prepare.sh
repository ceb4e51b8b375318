# SPDX-License-Identifier: Apache-2.0
export GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z" HOME=$PWD GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@a
mkdir -p served/app.git/web; cd served/app.git; git init -q -b main .
echo one > web/page; echo r > README; ln -s web/page link; chmod 755 README; git add .; git commit -qm one; git tag v1
echo two > web/page; git commit -qam two; git branch -q other v1
