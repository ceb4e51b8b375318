FROM busybox
ENV e=1
ONBUILD ARG v=2
ONBUILD COPY a.txt /onbuild/
ONBUILD LABEL l=$v e=$e
ONBUILD RUN echo $v > /ran
LABEL base=1
